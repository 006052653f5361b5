"""Batches without tf.data, for JAX, for PyTorch, and where TensorFlow is absent."""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from kerakd.errors import RecipeError

_WORKERS = 4
_QUEUE = 8


class Stream(keras.utils.PyDataset):
    """Some batches in a row, each a pure function of its number.

    Keras's `fit` takes it as it takes a `tf.data.Dataset`; walking over it gives NumPy
    arrays. Threads prepare the batches ahead, and Keras keeps their order.

    Args:
        batch_of: A function from a number to a batch.
        start: Number of the first batch.
        count: How many there are.
        workers: Threads that prepare batches in `fit`.
    """

    def __init__(
        self,
        batch_of: Callable[[int], Any],
        start: int,
        count: int,
        workers: int = _WORKERS,
    ):
        super().__init__(workers=workers, max_queue_size=_QUEUE)
        self._batch_of = batch_of
        self._start = start
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._batch_of(self._start + index)

    def __iter__(self) -> Iterator[Any]:
        for index in range(self._count):
            yield self[index]

    def take(self, count: int) -> "Stream":
        """The first batches alone."""
        return Stream(self._batch_of, self._start, min(count, self._count))

    def map(self, change: Callable) -> "Stream":
        """Each batch changed; `change` gets its parts, as in `tf.data`."""

        def changed(number):
            batch = self._batch_of(number)
            return change(*batch) if isinstance(batch, tuple) else change(batch)

        return Stream(changed, self._start, self._count)


def check_range(start_step: int, epochs: int, steps_per_epoch: int) -> int:
    """The number of batches from a step on to the end of another epoch.

    Raises:
        RecipeError: The step lies outside of the training.
    """
    steps = epochs * steps_per_epoch
    if not 0 <= start_step <= steps:
        raise RecipeError(
            f"start_step must be from 0 to {steps} ({epochs} epochs of "
            f"{steps_per_epoch} steps), not {start_step}."
        )
    return steps - start_step
