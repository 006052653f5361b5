"""Images by which the ranges of activations are found: training images, stratified."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from kerakd.errors import DataError, RecipeError

# Below this the logits suffer: errors of 1.12, 0.18, 0.07 and 0.04 were measured with
# 1, 4, 16 and 100 images.
LEAST = 100
# Images of an unending stream that are looked at before the draw.
_POOL = 4096
_JUDGED = 64


@dataclasses.dataclass(frozen=True)
class Representative:
    """Images for calibration.

    Attributes:
        images: float32 array `(N, H, W, C)`, raw pixels in 0..255, or values.
        seed: Of the draw.
        per_class: Class (name, or index where there are no names) to count; `None`
            where the data carry no labels.
        offered: How many images they were drawn from.
    """

    images: np.ndarray
    seed: int
    per_class: dict[str, int] | None
    offered: int

    @property
    def judged(self) -> np.ndarray:
        """64 of them, evenly spread, on which a file is compared with Keras."""
        rows = np.linspace(0, len(self.images) - 1, _JUDGED)
        return self.images[rows.astype(int)]

    def as_dict(self) -> dict[str, Any]:
        """What is recorded of them, JSON-able."""
        return {
            "count": len(self.images),
            "seed": self.seed,
            "per_class": self.per_class,
            "offered": self.offered,
        }


def representative(
    data: Any,
    shape: tuple[int, int, int],
    count: int = 200,
    seed: int = 0,
    inputs: str = "pixels",
) -> Representative:
    """Draw images for the calibration of int8, every class alike.

    Args:
        data: Training images, raw pixels in 0..255: a `kerakd.data.Samples` (its
            training images where it has a split) or `kerakd.data.ImageBatches`, of
            which only the images drawn are decoded, without augmentation; an array
            `(N, H, W, C)` or a tuple `(images, labels)`; a `tf.data.Dataset` or another
            iterable of batches `x` or `(x, y, ...)`, of which 4,096 images are looked
            at. Of values also a `kerakd.data.volumes.SliceBatches`, of which slices
            with tumour and without are drawn alike.
        shape: `(H, W, C)` of the model.
        count: How many to draw, at least 100; all where there are fewer.
        seed: Of the draw. The same data and seed give the same images.
        inputs: `"pixels"`, or `"values"` where the model takes something else, such as
            z-scores.

    Returns:
        A `Representative`.

    Raises:
        DataError: There are fewer than 100 images, or they have another shape or other
            values than raw pixels.
        RecipeError: `count` is below 100.

    Example:

    ```python
    train = kerakd.data.split(kerakd.data.load_images("mri"), seed=0)
    drawn = kerakd.compress.representative(train, (128, 128, 3))
    drawn.images.shape, drawn.per_class
    ```
    """
    check_count(count)
    from kerakd.data import Samples

    samples = getattr(data, "samples", data)
    if callable(getattr(data, "slices", None)):
        rows = _stratified(samples.labels, len(samples), count, seed)
        images, labels, offered = data.slices(rows), samples.labels[rows], len(samples)
        names = samples.class_names
    elif isinstance(samples, Samples):
        images, labels, offered = _of_samples(samples, shape, count, seed)
        names = samples.class_names
    else:
        pool, labels = _pool(data, shape)
        offered, names = len(pool), None
        rows = _stratified(labels, offered, count, seed)
        images = pool[rows].astype(np.float32)
        labels = None if labels is None else labels[rows]
    _check(images, offered, inputs)
    return Representative(images, seed, _counts(labels, names), offered)


def check_count(count: int) -> None:
    """Refuse to calibrate on so few images that ranges are left to chance."""
    if count < LEAST:
        raise RecipeError(
            f"Calibration needs at least {LEAST} images; {count} were asked for."
        )


def _of_samples(samples: Any, shape: tuple, count: int, seed: int) -> tuple:
    """Images drawn from a table, decoded as training decodes them."""
    from kerakd.data import decode, resize

    if "train" in samples.counts:
        samples = samples.subset("train")
    rows = _stratified(samples.labels, len(samples), count, seed)
    height, width, channels = shape
    paths = samples.paths
    images = [resize(decode(paths[row], channels), (height, width)) for row in rows]
    pixels = np.array(images, np.float32).reshape(-1, *shape)
    return pixels, samples.labels[rows], len(samples)


def _pool(data: Any, shape: tuple) -> tuple[np.ndarray, np.ndarray | None]:
    """The first images of the data, with their labels where they have any."""
    images, labels, seen = [], [], 0
    for x, y in _batches(data):
        if x.ndim != 4 or x.shape[1:] != tuple(shape):
            raise DataError(
                f"The model takes batches of shape (batch, {shape[0]}, {shape[1]}, "
                f"{shape[2]}); the data gave {x.shape}."
            )
        images.append(x)
        if y is not None and len(y) == len(x):
            labels.append(y.argmax(-1) if y.ndim == 2 else y)
        seen += len(x)
        if seen >= _POOL:
            break
    if not images:
        raise DataError(f"The data has no image; calibration needs {LEAST}.")
    known = len(labels) == len(images) and all(one.ndim == 1 for one in labels)
    return np.concatenate(images), np.concatenate(labels) if known else None


def _batches(data: Any) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    if isinstance(data, np.ndarray | tuple):
        data = [data]
    elif callable(getattr(data, "dataset", None)):
        data = data.dataset(epochs=1)
    for batch in data:
        parts = batch if isinstance(batch, tuple) else (batch,)
        x = parts[0].get("student") if isinstance(parts[0], dict) else parts[0]
        yield np.asarray(x), np.asarray(parts[1]) if len(parts) > 1 else None


def _stratified(
    labels: np.ndarray | None, offered: int, count: int, seed: int
) -> np.ndarray:
    """Sorted rows, as many of each class as there are, or as of the others."""
    random = np.random.default_rng(seed)
    shuffled = random.permutation(offered)
    if labels is None or count >= offered:
        return np.sort(shuffled[:count])
    # Round after round each class gives its next one, until there are enough.
    turn = np.zeros(offered, np.int64)
    given: dict[int, int] = {}
    for place, row in enumerate(shuffled):
        label = int(labels[row])
        turn[place] = given.get(label, 0)
        given[label] = turn[place] + 1
    return np.sort(shuffled[np.argsort(turn, kind="stable")[:count]])


def _check(images: np.ndarray, offered: int, inputs: str) -> None:
    if len(images) < LEAST:
        raise DataError(
            f"Calibration needs at least {LEAST} images, {offered} came; give more "
            "training images."
        )
    low, high = float(images.min()), float(images.max())
    if inputs == "values":
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise DataError(
                f"Representative values must be finite and not all alike; these run "
                f"from {low:g} to {high:g}."
            )
        return
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > 255:
        raise DataError(
            f"Representative images must be raw pixels in 0..255; these run from "
            f"{low:g} to {high:g}: give them as they are decoded, the model scales "
            'them itself; or say inputs="values" where it takes something else.'
        )
    if high <= 1:
        raise DataError(
            f"Representative images must be raw pixels in 0..255; these end at "
            f"{high:g}, as if scaled to 0..1: leave the scaling to the model."
        )


def _counts(labels: np.ndarray | None, names: Any) -> dict[str, int] | None:
    if labels is None:
        return None
    classes, counts = np.unique(labels, return_counts=True)
    return {
        str(names[int(k)] if names else int(k)): int(n)
        for k, n in zip(classes, counts, strict=True)
    }
