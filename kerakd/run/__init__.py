"""A recipe in, a finished run folder out: the one place where all rooms meet.

Names are loaded when first used; the first use loads TensorFlow.
"""

import importlib

_NAMES = {
    "judge_again": "kerakd.run.again",
    "run_folds": "kerakd.run.cross",
    "run_recipe": "kerakd.run.experiment",
    "run_several": "kerakd.run.several",
}

__all__ = list(_NAMES)


def __getattr__(name: str):
    if name not in _NAMES:
        raise AttributeError(f"module 'kerakd.run' has no attribute {name!r}")
    value = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
