"""kerakd: knowledge distillation for medical imaging in Keras 3.

The names below are loaded when first used, so that `import kerakd` costs nothing and
loads no TensorFlow.
"""

import importlib

__version__ = "0.1.0"

_NAMES = {
    "Distiller": "kerakd.distillation.distiller",
    "MeanTeacher": "kerakd.distillation.mean_teacher",
    "TeacherCache": "kerakd.distillation.cache",
    "kd_loss": "kerakd.distillation.logits",
    "load": "kerakd.distillation.saving",
    "train_teacher": "kerakd.training.fit",
    "train_student": "kerakd.training.fit",
    "evaluate": "kerakd.evaluation.evaluate",
    "visualize_classification_kd": "kerakd.report.comparison",
    "KerakdError": "kerakd.errors",
}
_MODULES = (
    "compress",
    "data",
    "distillation",
    "evaluation",
    "explain",
    "losses",
    "models",
    "report",
    "training",
)

__all__ = ["__version__", *_NAMES, *_MODULES]


def __getattr__(name: str):
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"kerakd.{name}")
    else:
        raise AttributeError(f"module 'kerakd' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
