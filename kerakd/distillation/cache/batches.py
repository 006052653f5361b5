"""Batches of images with what the teachers said of them."""

from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf


class CachedBatches:
    """`kerakd.data.ImageBatches` whose inputs carry cached teacher logits.

    Made by `TeacherCache.batches`. It has what training asks of an ImageBatches;
    inputs are `{"student": x, "teacher_outputs": logits}`, which the Distiller routes,
    with `"teacher_features"` by layer where the cache holds some.

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
        layers = self._cache.layers
        shapes = [self._cache.output_shape, *self._cache.feature_shapes]

        def said(step):
            found = tf.numpy_function(self._read, [step], [tf.float32] * len(shapes))
            for tensor, shape in zip(found, shapes, strict=True):
                tensor.set_shape((None, *shape))
            outputs = {"teacher_outputs": found[0]}
            if layers:
                names = [f"{index}/{name}" for index, name in layers]
                outputs["teacher_features"] = dict(zip(names, found[1:], strict=True))
            return outputs

        def join(example, outputs):
            x, *rest = example
            student = x["student"] if isinstance(x, dict) else x
            return ({"student": student, **outputs}, *rest)

        joined = tf.data.Dataset.zip(images, steps.map(said)).map(join)
        return joined.prefetch(2)

    def _read(self, step: np.ndarray) -> list[np.ndarray]:
        epoch, batch = divmod(int(step), self._batches.steps_per_epoch)
        size = self._batches.batch_size
        rows = self._order(epoch)[batch * size : (batch + 1) * size]
        view = self._batches.view(epoch)
        features = self._cache.read_features(view, rows)
        return [self._cache.read(view, rows), *features.values()]
