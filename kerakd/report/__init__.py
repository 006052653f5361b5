"""Figures, the HTML report and the model card: a run folder is read, nothing computed.

The names are loaded when first used, so that a command that draws nothing does not wait
for Matplotlib.
"""

import importlib

_NAMES = {
    "draw_figures": "kerakd.report.figures",
    "model_rows": "kerakd.report.models_table",
    "plot_confusion": "kerakd.report.confusion",
    "plot_gallery": "kerakd.report.gallery",
    "plot_history": "kerakd.report.curves",
    "plot_reliability": "kerakd.report.reliability",
    "visualize_classification_kd": "kerakd.report.comparison",
    "write_model_card": "kerakd.report.card",
    "write_report": "kerakd.report.html",
}

__all__ = sorted(_NAMES)


def __getattr__(name: str):
    if name not in _NAMES:
        raise AttributeError(f"module 'kerakd.report' has no attribute {name!r}")
    value = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__
