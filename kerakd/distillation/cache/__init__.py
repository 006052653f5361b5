"""The teacher cache: a teacher runs once for each picture, and is read ever after."""

from kerakd.distillation.cache.teacher_cache import TeacherCache

__all__ = ["TeacherCache"]
