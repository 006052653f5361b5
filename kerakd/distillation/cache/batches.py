"""Batches of images with what the teachers said of them."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from kerakd.data.stream import Stream


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

    def dataset(self, epochs: int = 1, start_step: int = 0) -> Any:
        """As `ImageBatches.dataset`, with the teachers' logits beside the images."""
        images = self._batches.dataset(epochs, start_step)
        if isinstance(images, Stream):
            return self._joined(images, start_step)
        from kerakd.distillation.cache import tensorflow_batches

        steps = start_step, epochs * self._batches.steps_per_epoch
        return tensorflow_batches.joined(images, *steps, self)

    def stream(self, epochs: int = 1, start_step: int = 0) -> Stream:
        """As `ImageBatches.stream`, with the teachers' logits beside the images."""
        return self._joined(self._batches.stream(epochs, start_step), start_step)

    def _joined(self, images: Stream, start_step: int) -> Stream:
        def batch_of(place):
            return self.join(images[place], self.named(self.read(start_step + place)))

        return Stream(batch_of, 0, len(images))

    def named(self, found: Sequence[Any]) -> dict[str, Any]:
        """What `read` gives, under the names that the Distiller routes by."""
        outputs = {"teacher_outputs": found[0]}
        if self._cache.layers:
            names = [f"{index}/{name}" for index, name in self._cache.layers]
            outputs["teacher_features"] = dict(zip(names, found[1:], strict=True))
        return outputs

    @staticmethod
    def join(example: tuple, outputs: dict[str, Any]) -> tuple:
        """A batch whose inputs hold what the teachers said."""
        x, *rest = example
        student = x["student"] if isinstance(x, dict) else x
        return ({"student": student, **outputs}, *rest)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of what `read` gives, for one sample."""
        return [self._cache.output_shape, *self._cache.feature_shapes]

    def read(self, step: Any) -> list[np.ndarray]:
        """What the teachers said of the batch of a step: logits, then features."""
        epoch, batch = divmod(int(step), self._batches.steps_per_epoch)
        size = self._batches.batch_size
        rows = self._order(epoch)[batch * size : (batch + 1) * size]
        view = self._batches.view(epoch)
        features = self._cache.read_features(view, rows)
        return [self._cache.read(view, rows), *features.values()]
