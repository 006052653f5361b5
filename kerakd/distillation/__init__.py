"""The heart: the Distiller and what it is made of."""

import importlib

_NAMES = {
    "Distiller": "distiller",
    "DistillationLoss": "base",
    "TeacherCache": "cache",
    "KLDivergence": "logits",
    "Hint": "features",
    "MeanTeacher": "mean_teacher",
    "Projector": "projector",
    "hint": "features",
    "kd_loss": "logits",
    "kl_divergence": "logits",
    "load": "saving",
}

__all__ = list(_NAMES)


def __getattr__(name: str):
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    globals()[name] = value
    return value
