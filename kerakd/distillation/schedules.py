"""Temperatures and weights that change during training.

A schedule is a `keras.optimizers.schedules.LearningRateSchedule`: it is a function of
a step, it is serialised by Keras, and users know it. The step is the Distiller's own
count, which advances once a batch even where a loss-scaling optimizer skips an update.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras

from kerakd.errors import RecipeError

Schedule = keras.optimizers.schedules.LearningRateSchedule

_step: ContextVar[Any] = ContextVar("kerakd_step", default=0)


@contextmanager
def at_step(step: Any) -> Iterator[None]:
    """Within this context, `current` evaluates schedules at `step`.

    A context rather than an attribute on the loss, so that one loss object may serve
    two Distillers.
    """
    token = _step.set(step)
    try:
        yield
    finally:
        _step.reset(token)


def current(value: "float | Schedule") -> Any:
    """A number as it is, or a schedule at the current step (0 outside of training)."""
    return value(_step.get()) if isinstance(value, Schedule) else value


def check(value: Any, name: str, low: float, high: float, *, open_low: bool = False):
    """Return `value` if it is a schedule or a number within [low, high].

    Args:
        value: What the user gave.
        name: What it is called, for the error.
        low: The least number allowed.
        high: The greatest number allowed.
        open_low: Whether `low` itself is excluded.

    Raises:
        RecipeError: It is no number, or out of range.
    """
    if isinstance(value, Schedule):
        return value
    interval = f"{'(' if open_low else '['}{low:g}, {high:g}]"
    if high == float("inf"):
        interval = f"{'greater than' if open_low else 'at least'} {low:g}"
    else:
        interval = f"in {interval}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecipeError(
            f"`{name}` must be a number {interval} or a keras.optimizers.schedules "
            f"object; got {value!r}."
        )
    if not low <= value <= high or (open_low and value == low):
        raise RecipeError(f"`{name}` must be {interval}; got {value!r}.")
    return value


def temperature(value: Any) -> "float | Schedule":
    """A temperature as given, or from its configuration: greater than 0."""
    return check(deserialize(value), "temperature", 0.0, float("inf"), open_low=True)


def serialize(value: "float | Schedule") -> Any:
    """A number as it is, or a schedule's Keras configuration."""
    if isinstance(value, Schedule):
        return keras.saving.serialize_keras_object(value)
    return value


def deserialize(value: Any) -> "float | Schedule":
    """The inverse of `serialize`."""
    if isinstance(value, dict):
        return keras.saving.deserialize_keras_object(value)
    return value
