"""One training step: which backend takes it, and what they all do after it."""

import importlib
from types import ModuleType
from typing import Any

import keras

from kerakd.distillation import replicas
from kerakd.errors import ModelError

BACKENDS = ("tensorflow", "jax", "torch")


def of_backend() -> ModuleType:
    """The module that differentiates with the backend that Keras runs on.

    Raises:
        ModelError: It is a backend that cannot train.
    """
    backend = keras.backend.backend()
    if backend not in BACKENDS:
        raise ModelError(
            f"kerakd trains on TensorFlow, JAX and PyTorch; KERAS_BACKEND is "
            f"{backend!r}. Set it to one of {', '.join(BACKENDS)}."
        )
    return importlib.import_module(f"kerakd.distillation.{backend}_step")


def make(distiller: Any, force: bool) -> bool:
    """Make the train function where Keras's own way does not serve; whether it did."""
    make_train_function = getattr(of_backend(), "make_train_function", None)
    if make_train_function is None:
        return False
    if distiller.train_function is None or force:
        distiller.train_function = make_train_function(distiller)
    return True


def finish(
    distiller: Any, x: Any, y: Any, y_pred: Any, losses: dict, sample_weight: Any
) -> dict[str, Any]:
    """Count a step that was taken, move the average, keep the losses.

    Returns:
        The logs of the step.
    """
    distiller.steps.assign_add(1)
    if distiller.mean_teacher is not None:
        distiller.mean_teacher.follow(
            distiller.average, distiller.student, distiller.steps
        )
    size = replicas.samples(y_pred)
    trackers = distiller.trackers
    for name, value in {**losses, "loss": losses["total_loss"]}.items():
        trackers[name].update_state(value, sample_weight=size)
    return distiller.compute_metrics(*replicas.counted((x, y, y_pred, sample_weight)))
