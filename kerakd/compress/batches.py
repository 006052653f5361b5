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
    if isinstance(data, np.ndarray):
        data = [data]
    elif callable(getattr(data, "dataset", None)):
        data = data.dataset(epochs=1)
    found = False
    for batch in data:
        images = batch[0] if isinstance(batch, tuple) else batch
        if isinstance(images, dict):
            images = images.get("student")
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[1:] != shape:
            raise DataError(
                f"The model takes batches of shape (batch, {shape[0]}, {shape[1]}, "
                f"{shape[2]}); the data gave {images.shape}."
            )
        for start in range(0, len(images), _CHUNK):
            found = True
            yield images[start : start + _CHUNK]
    if not found:
        raise DataError("The data has no image; give at least one.")
