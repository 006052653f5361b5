"""Inputs that hold one part for the student and another for the teacher."""

from typing import Any

ROUTES = frozenset({"student", "teacher", "teacher_outputs", "teacher_features"})


def is_routed(x: Any) -> bool:
    """Whether an input is a dictionary whose keys say where each part goes."""
    return isinstance(x, dict) and "student" in x and set(x) <= ROUTES


def route(x: Any, reader: str) -> Any:
    """The part of an input that is meant for `reader`, "student" or "teacher"."""
    return x.get(reader, x["student"]) if is_routed(x) else x
