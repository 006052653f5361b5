"""What differs between TensorFlow, JAX and PyTorch in a training."""

from typing import Any

import keras

from kerakd.errors import DataError, KerakdError
from kerakd.training import devices


def jit_compile(wanted: bool | str) -> bool:
    """Whether a step is compiled as a whole.

    `"auto"` compiles where that pays: always on JAX, which is slow without; on
    TensorFlow with a GPU, since XLA makes the steps of small networks several times
    slower on a CPU; not on PyTorch, where each shape is compiled for minutes.
    """
    if wanted != "auto":
        return bool(wanted)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Keras compiles no step that is spread over devices.
        alone = devices.current() is None
        return alone and bool(tf.config.list_physical_devices("GPU"))
    return keras.backend.backend() == "jax"


def epochs_in_one_fit() -> bool:
    """Whether one stream of batches may span several epochs of one `fit`.

    Keras takes all of a `PyDataset` for one epoch.
    """
    return keras.backend.backend() == "tensorflow"


def fitting(model: keras.Model) -> Any:
    """What has `fit` and `evaluate` for a model: itself, but where workers share it."""
    found = devices.cluster()
    if found is None:
        return model
    if getattr(model, "workers_fit", None) is None:
        from kerakd.training import workers
        from kerakd.training.workers_fit import WorkersFit

        # What it has traced serves the whole training.
        model.workers_fit = WorkersFit(model, workers.strategy(), found.index)
    return model.workers_fit


def synchronize(model: keras.Model) -> None:
    """Give the variables their values of now.

    JAX keeps them elsewhere in `fit`; workers have running statistics of their own.
    """
    if devices.cluster() is not None:
        fitting(model).settle()
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def explain(error: Exception) -> KerakdError | None:
    """What an error of a backend means to a user; `None` for any other."""
    kind, text = type(error).__name__, str(error)
    if (
        kind in ("ResourceExhaustedError", "OutOfMemoryError")
        or "RESOURCE_EXHAUSTED" in text
    ):
        return KerakdError(
            "There is not enough memory for a training step; lower `batch_size` and "
            "raise `gradient_accumulation` by the same factor."
        )
    if kind == "InvalidArgumentError" and "label value" in text:
        return DataError(
            f"A label is out of range of the model's outputs "
            f"({_first_line(text)}); number the labels from 0 and build the model with "
            "as many classes."
        )
    return None


def _first_line(text: Any) -> str:
    return text.splitlines()[0][:200]
