"""Images from whatever a user has them in: an array, a dataset, a list of batches."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from kerakd.errors import DataError

_CHUNK = 32


def image_batches(data: Any, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Walk through data as batches of raw pixels.

    Args:
        data: An array `(N, H, W, C)`; a `tf.data.Dataset` or another iterable of
            batches, where a batch is the images alone or a tuple that begins with
            them; or `kerakd.data.ImageBatches`. A dict of inputs gives its
            `"student"`.
        shape: The `(H, W, C)` that the model takes.

    Yields:
        Arrays of shape `(B, H, W, C)` with at most 32 images.

    Raises:
        DataError: A batch has another shape, or there is not one image.
    """
    for images, _ in labelled_image_batches(data, shape):
        yield images


def labelled_image_batches(
    data: Any, shape: tuple[int, ...]
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """As `image_batches`, with the labels that stand beside the images, or `None`.

    Labels are class indices `(B,)`, or masks of class indices `(B, H, W)`; one-hot
    ones are made such. Arrays may come as a tuple `(images, labels)`.
    """
    if isinstance(data, np.ndarray | tuple):
        data = [data]
    elif callable(getattr(data, "dataset", None)):
        data = data.dataset(epochs=1)
    found = False
    for batch in data:
        parts = batch if isinstance(batch, tuple) else (batch,)
        images = parts[0]
        if isinstance(images, dict):
            images = images.get("student")
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[1:] != shape:
            raise DataError(
                f"The model takes batches of shape (batch, {shape[0]}, {shape[1]}, "
                f"{shape[2]}); the data gave {images.shape}."
            )
        labels = _indices(parts[1], len(images)) if len(parts) > 1 else None
        for start in range(0, len(images), _CHUNK):
            found = True
            chunk = slice(start, start + _CHUNK)
            yield images[chunk], None if labels is None else labels[chunk]
    if not found:
        raise DataError("The data has no image; give at least one.")


def _indices(labels: Any, count: int) -> np.ndarray | None:
    """Class indices, whether they came so, one-hot, or with a last axis of 1."""
    if isinstance(labels, dict):
        labels = labels.get("labels")
    labels = np.asarray(labels)
    if labels.ndim in (2, 4):
        last = labels.shape[-1]
        labels = labels[..., 0] if last == 1 else labels.argmax(-1)
    if labels.ndim not in (1, 3) or len(labels) != count:
        return None
    return labels.astype(np.int64)
