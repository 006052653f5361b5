"""Training data of every form, as batches from any step on."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import keras
import numpy as np

from kerakd.data.augment.drawing import order
from kerakd.data.stream import Stream
from kerakd.errors import DataError
from kerakd.training.options import TrainingOptions


class Feed(ABC):
    """Batches of a training or validation set.

    Made by `feed`. One pass over the data is an epoch; the stream of batches over all
    epochs can be taken up at any step, which is what makes an exact resume possible.

    Attributes:
        steps_per_epoch: Batches in one pass.
        class_names: Names of the classes, or `None` where the data do not say.
        labels: All labels in no particular order, or `None` where they would have to
            be computed.
        description: Plain values that tell these data from others.
    """

    steps_per_epoch: int
    class_names: tuple[str, ...] | None = None
    labels: np.ndarray | None = None
    description: dict

    @abstractmethod
    def stream(self, start: int, steps: int) -> Any:
        """The batches `start` to `start + steps`, counted over all epochs.

        A `tf.data.Dataset` where Keras runs on TensorFlow, else a
        `kerakd.data.stream.Stream`.
        """

    def elements(self) -> tuple:
        """Shapes and dtypes of `(x, y)` or `(x, y, sample_weight)`.

        Raises:
            DataError: The data have another form, or are not in batches.
        """
        stream = self.stream(0, 1)
        spec = getattr(stream, "element_spec", None)
        elements = self.first_batch() if spec is None else spec
        if not isinstance(elements, tuple) or len(elements) not in (2, 3):
            raise DataError(
                "Training needs batches (images, labels) or (images, labels, sample "
                f"weights); the dataset gives {_kind(elements)}."
            )
        if any(_rank(leaf) is None for leaf in keras.tree.flatten(elements)):
            elements = self.first_batch()
        if any(_rank(leaf) == 0 for leaf in keras.tree.flatten(elements)):
            raise DataError(
                "The dataset gives single samples; batch it first: dataset.batch(32)."
            )
        return elements

    def first(self) -> Any:
        """The first batch alone; nothing is used up by looking at it."""
        return self.stream(0, 1)

    def first_batch(self) -> tuple:
        """The first batch itself."""
        return next(iter(self.first()))


class _ImageBatchesFeed(Feed):
    """A `kerakd.data.ImageBatches`, which counts steps itself."""

    def __init__(self, batches: Any):
        self._batches = batches
        self.steps_per_epoch = batches.steps_per_epoch
        self.class_names = tuple(batches.class_names)
        self.labels = batches.samples.labels
        if not self.steps_per_epoch:
            raise DataError("There is nothing to train on: the table has no samples.")
        ids = hashlib.sha256("\n".join(batches.samples.ids).encode())
        self.description = {
            "kind": "image batches",
            "samples": len(batches.samples),
            "sample ids": ids.hexdigest()[:16],
            "classes": list(self.class_names),
            **_settings(batches),
        }

    def stream(self, start: int, steps: int) -> Any:
        epochs = -(-(start + steps) // self.steps_per_epoch)
        dataset = self._batches.dataset(epochs=epochs, start_step=start)
        if isinstance(dataset, Stream):
            return dataset.take(steps)
        from kerakd.training.tensorflow_feeds import exactly

        return exactly(dataset.take(steps), steps)


class _ArraysFeed(Feed):
    """Arrays in memory, in an order that is a function of seed and epoch alone."""

    def __init__(self, arrays: tuple, options: TrainingOptions, shuffle: bool):
        if len(arrays) not in (2, 3):
            raise DataError(
                "Arrays come as (images, labels) or (images, labels, sample weights); "
                f"got a tuple of {len(arrays)}."
            )
        arrays = tuple(_as_arrays(part) for part in arrays)
        counts = {len(a) if a.ndim else 0 for a in keras.tree.flatten(arrays)}
        if len(counts) != 1:
            raise DataError(
                "Images, labels and sample weights must be equally many; got "
                f"{', '.join(map(str, sorted(counts)))}."
            )
        self.count = counts.pop()
        if not self.count:
            raise DataError("There is nothing to train on: the arrays are empty.")
        self.batch_size, self.seed = options.batch_size, options.seed
        self.shuffle = shuffle
        self.labels = arrays[1]
        self.steps_per_epoch = -(-self.count // self.batch_size)
        self.description = {
            "kind": "arrays",
            "samples": self.count,
            "contents": _digest(arrays),
        }
        self._arrays = arrays

    def stream(self, start: int, steps: int) -> Any:
        if on_tensorflow():
            from kerakd.training.tensorflow_feeds import batches_of_arrays

            return batches_of_arrays(self, start, steps)
        return Stream(self._batch, start, steps)

    def _batch(self, number: int) -> tuple:
        epoch, place = divmod(number, self.steps_per_epoch)
        rows = np.arange(self.count)
        if self.shuffle:
            # Another order than TensorFlow's, but as much a function of seed and epoch.
            rows = order(self.seed, epoch, np.char.zfill(rows.astype(str), 12))
        rows = rows[place * self.batch_size :][: self.batch_size]
        return keras.tree.map_structure(lambda a: a[rows], self._arrays)

    @cached_property
    def tensors(self) -> tuple:
        """The arrays as TensorFlow's."""
        return keras.tree.map_structure(keras.ops.convert_to_tensor, self._arrays)


def on_tensorflow() -> bool:
    """Whether Keras runs on TensorFlow."""
    return keras.backend.backend() == "tensorflow"


def feed(data: Any, options: TrainingOptions, *, shuffle: bool = True) -> Feed:
    """Training or validation data of any form that kerakd takes.

    Args:
        data: A `kerakd.data.ImageBatches`; a finite `tf.data.Dataset` of batches; or a
            tuple of arrays `(x, y)` or `(x, y, sample_weight)`.
        options: `batch_size` and `seed`, for arrays.
        shuffle: Whether arrays come in another order in each epoch. The other two
            bring an order of their own.

    Raises:
        DataError: It is none of these, or empty, or has no end.
    """
    if isinstance(data, Feed):
        return data
    if hasattr(data, "element_spec"):
        if not on_tensorflow():
            raise DataError(
                "A tf.data.Dataset feeds TensorFlow alone; on KERAS_BACKEND="
                f"{keras.backend.backend()} give a kerakd.data.ImageBatches or arrays."
            )
        from kerakd.training.tensorflow_feeds import DatasetFeed

        return DatasetFeed(data)
    if callable(getattr(data, "dataset", None)) and hasattr(data, "steps_per_epoch"):
        return _ImageBatchesFeed(data)
    if isinstance(data, tuple | list):
        return _ArraysFeed(tuple(data), options, shuffle)
    raise DataError(
        "Training data are a kerakd.data.ImageBatches, a tf.data.Dataset of batches, "
        f"or arrays (images, labels); got {_kind(data)}."
    )


_SETTINGS = (
    "batch_size",
    "seed",
    "order_seed",
    "cache_key",
    "shuffle",
    "image_size",
    "channels",
    "views",
    "one_hot",
    "sizes",
    "augment",
    "class_weight",
    "cache_key",
)


def _settings(batches: Any) -> dict:
    """Whatever of an ImageBatches decides the pixels and their order."""
    return {
        name: _plain(getattr(batches, name))
        for name in _SETTINGS
        if hasattr(batches, name)
    }


def _plain(value: Any) -> Any:
    """A value as JSON would give it back, so that two can be compared."""
    if hasattr(value, "get_config"):
        value = value.get_config()
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return repr(value)


def _as_arrays(part: Any) -> Any:
    """One array, or a dictionary of arrays; float64 becomes float32 as in Keras."""
    if isinstance(part, dict):
        return {key: _as_arrays(value) for key, value in part.items()}
    array = np.asarray(part)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _digest(arrays: tuple) -> str:
    """A hash that changes with the labels, the shapes or some of the pixels."""
    digest = hashlib.sha256()
    for array in _samples_of(arrays):
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _samples_of(arrays: tuple) -> Iterator[np.ndarray]:
    for array in keras.tree.flatten(arrays[0]):
        yield np.asarray(array.shape)
        # All pixels of a large set would take longer to hash than a step to train.
        yield array[:: max(len(array) // 64, 1)]
    yield from keras.tree.flatten(arrays[1:])


def _rank(leaf: Any) -> int | None:
    """Number of axes; `None` where a dataset does not say."""
    shape = leaf.shape
    return shape.rank if hasattr(shape, "rank") else len(shape)


def _kind(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
