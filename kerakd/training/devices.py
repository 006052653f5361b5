"""Training on several devices or machines: a context around the same calls.

TensorFlow spreads a batch by `tf.distribute.MirroredStrategy` on one machine and by
`MultiWorkerMirroredStrategy` on several, JAX by `keras.distribution.DataParallel`. All
want variables that are born with them, so a training within the context is one of
copies, whose weights come home at its end.
"""

import contextlib
import functools
import random
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import keras

from kerakd.errors import ModelError, RecipeError, nearest
from kerakd.models.graph import is_functional
from kerakd.training import workers

MIRRORED, MULTI_WORKER, DATA_PARALLEL = "mirrored", "multi_worker", "data_parallel"
STRATEGIES = {
    MIRRORED: "tensorflow",
    MULTI_WORKER: "tensorflow",
    DATA_PARALLEL: "jax",
}

_current: ContextVar["Devices | None"] = ContextVar("kerakd_devices", default=None)


@dataclass(frozen=True)
class Devices:
    """What trainings are spread over.

    Args:
        strategy: Of `STRATEGIES`.
        count: How many devices there are.
        within: Makes the context in which variables are born.
        cluster: The workers, where there are several processes.
    """

    strategy: str
    count: int
    within: Any
    cluster: workers.Cluster | None = None


@contextlib.contextmanager
def on_devices(count: int | None = None, strategy: str | None = None) -> Iterator[None]:
    """Spread trainings within this context over several devices, or machines.

    A batch is dealt to the devices, and their gradients are added up: losses, metrics
    and weights of samples are those of one device with the same batch. What looks at a
    whole batch looks at a device's part of it: BatchNorm's statistics (unless a layer
    is `synchronized`), and losses that relate samples to one another.

    Args:
        count: How many; all that there are if `None`. GPUs where there are some.
        strategy: `"mirrored"` (TensorFlow), `"multi_worker"` (TensorFlow, a process for
            each entry of `TF_CONFIG`, all of which run the same program) or
            `"data_parallel"` (JAX); by default the backend's own on this machine.

    Raises:
        RecipeError: There are fewer devices, the backend has no such strategy, or
            `TF_CONFIG` is absent or malformed.
        KerakdError: A worker was lost.

    Example:

    ```python
    with kerakd.training.on_devices(2):
        kerakd.train_student(student, train, validation, teacher=teacher)
    ```
    """
    token = None
    try:
        token = _current.set(_make(count, strategy))
        yield
    except Exception as error:
        gone = workers.lost(error) if strategy == MULTI_WORKER else None
        if gone is None:
            raise
        raise gone from None
    finally:
        if token is not None:
            _current.reset(token)


def cluster() -> workers.Cluster | None:
    """The workers that train together; `None` for one process."""
    devices = current()
    return None if devices is None else devices.cluster


def keeps_files() -> bool:
    """Whether what this process writes is kept, and not that of another worker."""
    found = cluster()
    return found is None or found.is_chief


def current() -> Devices | None:
    """What trainings are spread over; `None` for one device."""
    return _current.get()


@contextlib.contextmanager
def variables() -> Iterator[None]:
    """The context in which the variables of a training are born."""
    devices = current()
    with contextlib.nullcontext() if devices is None else devices.within():
        yield


def placed(model: Any) -> Any:
    """A copy of a model for the devices; the model itself where there is one device.

    Raises:
        ModelError: The model cannot be copied layer by layer.
    """
    if current() is None or not isinstance(model, keras.Model):
        return model
    if not is_functional(model):
        raise ModelError(
            f"Training on several devices copies the network, and {model.name!r} is a "
            f"{type(model).__name__}; build it as a functional or Sequential model."
        )
    # Keras draws the seeds of initializers here; what is built next, a projector,
    # should begin as it would without the copy.
    state = random.getstate()
    copy = keras.models.clone_model(model)
    random.setstate(state)
    copy.set_weights(model.get_weights())
    return copy


def bring_home(copy: keras.Model, model: keras.Model) -> None:
    """Give the user's model the weights of the copy that was trained."""
    if copy is not model:
        model.set_weights(copy.get_weights())


def _make(count: int | None, strategy: str | None) -> Devices | None:
    backend = keras.backend.backend()
    if strategy is None:
        strategy = {"tensorflow": MIRRORED, "jax": DATA_PARALLEL}.get(backend)
    if strategy is not None and strategy not in STRATEGIES:
        raise RecipeError(
            f"Unknown strategy {strategy!r}. {nearest(strategy, STRATEGIES)}"
        )
    if strategy is None or STRATEGIES[strategy] != backend:
        raise RecipeError(
            f"{strategy or 'Several devices'} cannot be had on KERAS_BACKEND={backend}"
            ": mirrored and multi_worker are TensorFlow's, data_parallel is JAX's."
        )
    make = {MIRRORED: _mirrored, MULTI_WORKER: _workers, DATA_PARALLEL: _parallel}
    return make[strategy](count)


def _mirrored(count: int | None) -> Devices | None:
    import tensorflow as tf

    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    names = _first(names, count, kind)
    if len(names) == 1:
        return None
    return Devices(MIRRORED, len(names), _strategy(tuple(names)).scope)


@functools.cache
def _strategy(names: tuple[str, ...]) -> Any:
    """The strategy for these devices: one in a process.

    Each numbers its collective operations from the same number on, and TensorFlow takes
    those of two strategies for one another's.
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(names)


def _workers(count: int | None) -> Devices:
    if count is not None:
        raise RecipeError(
            "How many workers there are stands in TF_CONFIG; leave the number of "
            "devices out with multi_worker."
        )
    found = workers.read_cluster()
    return Devices(MULTI_WORKER, found.count, workers.strategy().scope, found)


def _parallel(count: int | None) -> Devices | None:
    names = _first(keras.distribution.list_devices(), count, "JAX")
    if len(names) == 1:
        return None
    distribution = keras.distribution.DataParallel(devices=names)
    return Devices(DATA_PARALLEL, len(names), distribution.scope)


def _first(names: list[str], count: int | None, kind: str) -> list[str]:
    if count is not None and not 1 <= count <= len(names):
        raise RecipeError(
            f"{count} devices were asked for, and there are {len(names)} ({kind}); "
            f"give a number from 1 to {len(names)}."
        )
    return names[:count]
