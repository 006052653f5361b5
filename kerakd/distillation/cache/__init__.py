"""The teacher cache: a teacher runs once for each picture, and is read ever after.

The name is loaded when first used, since it needs TensorFlow.
"""

import importlib

__all__ = ["TeacherCache"]


def __getattr__(name: str):
    if name != "TeacherCache":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module("kerakd.distillation.cache.teacher_cache")
    globals()[name] = module.TeacherCache
    return module.TeacherCache
