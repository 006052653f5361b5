"""Batches of images with what the teachers said of them."""

from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf


class CachedBatches:
    """`kerakd.data.ImageBatches` whose inputs carry cached teacher logits.

    Made by `TeacherCache.batches`. It has what training asks of an ImageBatches;
    inputs are `{"student": x, "teacher_outputs": logits}`, which the Distiller routes.

    Args:
        cache: The cache.
        batches: The images that the student sees.
    """

    def __init__(self, cache: Any, batches: Any):
        self._cache = cache
        self._batches = batches
        self.cache_key = cache.key_hash
        # An epoch's order is asked for at each of its steps.
        self._order = lru_cache(maxsize=2)(batches.order)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._batches, name)

    def dataset(self, epochs: int = 1, start_step: int = 0) -> tf.data.Dataset:
        """As `ImageBatches.dataset`, with the teachers' logits beside the images."""
        images = self._batches.dataset(epochs, start_step)
        steps = tf.data.Dataset.range(
            start_step, epochs * self._batches.steps_per_epoch
        )
        shape = (None, *self._cache.output_shape)

        def logits_of(step):
            (logits,) = tf.numpy_function(self._read, [step], [tf.float32])
            logits.set_shape(shape)
            return logits

        def join(example, logits):
            x, *rest = example
            student = x["student"] if isinstance(x, dict) else x
            return ({"student": student, "teacher_outputs": logits}, *rest)

        joined = tf.data.Dataset.zip(images, steps.map(logits_of)).map(join)
        return joined.prefetch(2)

    def _read(self, step: np.ndarray) -> np.ndarray:
        epoch, batch = divmod(int(step), self._batches.steps_per_epoch)
        size = self._batches.batch_size
        rows = self._order(epoch)[batch * size : (batch + 1) * size]
        return self._cache.read(self._batches.view(epoch), rows)
