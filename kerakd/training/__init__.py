"""The training room: fit loops, schedules, checkpoints and exact resume.

Names are loaded when first used; the options alone load no TensorFlow.
"""

import importlib

_NAMES = {
    "EarlyStoppingOptions": "options",
    "TrainingOptions": "options",
    "deterministic": "determinism",
    "fused_adam": "fused_optimizer",
    "fused_batch_norm": "fused_normalization",
    "fused_operations": "fusing",
    "is_finished": "checkpoint",
    "on_devices": "devices",
    "train_born_again": "generations",
    "train_student": "fit",
    "train_teacher": "fit",
}

__all__ = list(_NAMES)


def __getattr__(name: str):
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
