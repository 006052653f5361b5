"""Between the slices of a scanner and the square that a network sees."""

import functools

import numpy as np

from kerakd.data.volumes.schemes import to_target


@functools.lru_cache(maxsize=64)
def linear_weights(old: int, new: int) -> np.ndarray:
    """A line of `old` pixels resized to `new`, as a matrix.

    Bilinear with antialiasing: when a picture shrinks, the triangle grows with it, so
    that every pixel has its say. The same as Pillow's `BILINEAR`, for any numbers.

    Args:
        old: Pixels there are.
        new: Pixels wanted.

    Returns:
        float32 `(new, old)`; rows sum to 1.
    """
    scale = old / new
    reach = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale
    distance = np.abs(np.arange(old)[None] + 0.5 - centres[:, None]) / reach
    weights = np.maximum(0.0, 1.0 - distance)
    weights /= weights.sum(axis=1, keepdims=True)
    weights = weights.astype(np.float32)
    weights.setflags(write=False)
    return weights


def resize_linear(slices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize slices of numbers.

    Args:
        slices: `(n, height, width, channels)`, float32.
        size: The new `(height, width)`.

    Returns:
        float32 `(n, *size, channels)`; `slices` itself where they have that size.
    """
    count, height, width, channels = slices.shape
    if (height, width) == tuple(size):
        return slices
    columns = linear_weights(width, size[1]).T
    result = np.empty((count, *size, channels), np.float32)
    for channel in range(channels):
        planes = np.ascontiguousarray(slices[..., channel])
        # One large product for all slices: many small ones leave the threads of a
        # busy machine waiting for one another.
        planes = (planes.reshape(-1, width) @ columns).reshape(count, height, size[1])
        result[..., channel] = _resize_rows(planes, size[0])
    return result


def _resize_rows(planes: np.ndarray, new: int) -> np.ndarray:
    """Resize axis 1 of `(n, height, width)`: a few rows make each new one."""
    weights = linear_weights(planes.shape[1], new)
    first = (weights > 0).argmax(axis=1)
    reach = int((weights > 0).sum(axis=1).max())
    result = np.zeros((len(planes), new, planes.shape[2]), np.float32)
    for step in range(reach):
        place = np.minimum(first + step, planes.shape[1] - 1)
        # At the border the last row must not come twice.
        share = np.where(first + step == place, weights[np.arange(new), place], 0)
        result += share[:, None] * planes[:, place]
    return result


def resize_classes(slices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize slices of classes, each pixel taking the class that it holds most of.

    Nearest neighbours would move an edge by up to half an old pixel, and lose what is
    thinner than a new one by chance.

    Args:
        slices: uint8 `(n, height, width)`.
        size: The new `(height, width)`.

    Returns:
        uint8 `(n, *size)`; the lower class where two hold the same.
    """
    _, height, width = slices.shape
    if (height, width) == tuple(size):
        return slices
    found = np.unique(slices)
    result = np.full((len(slices), *size), found[0], np.uint8)
    most = None
    for name in found:
        share = resize_linear((slices == name)[..., None].astype(np.float32), size)
        share = share[..., 0]
        if most is None:
            most = share
        else:
            # By more than rounding.
            more = share > most + 1e-6
            result[more] = name
            most = np.maximum(most, share)
    return result


def to_slices(
    images: np.ndarray, classes: np.ndarray | None, size: tuple[int, int], target: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Normalised volumes as what a network sees and learns.

    Args:
        images: float32 `(slices, height, width, channels)`, from `normalise`.
        classes: uint8 `(slices, height, width)` of classes inside kerakd, or None.
        size: `(height, width)` of the network's input.
        target: See `kerakd.data.volumes.TARGETS`.

    Returns:
        float32 `(slices, *size, channels)` and uint8 `(slices, *size)` or None.
    """
    pictures = resize_linear(images, size)
    if classes is None:
        return pictures, None
    return pictures, resize_classes(to_target(classes, target), size)


def logits_to_classes(
    logits: np.ndarray, size: tuple[int, int], target: str
) -> np.ndarray:
    """What a network said, on the grid of the scanner.

    Logits are resized before the largest is taken: an edge then runs where they cross,
    not along the network's coarser pixels.

    Args:
        logits: `(slices, height, width, classes)`.
        size: `(height, width)` of the case's slices.
        target: `"whole_tumour"`: tumour becomes class 1; `"subregions"`.

    Returns:
        uint8 `(slices, *size)`, classes inside kerakd.
    """
    if target == "whole_tumour":
        # One difference is resized in place of two logits.
        margin = logits[..., 1:2] - logits[..., :1]
        return (resize_linear(margin, size)[..., 0] > 0).astype(np.uint8)
    result = np.empty((len(logits), *size), np.uint8)
    for start in range(0, len(logits), 16):
        part = resize_linear(logits[start : start + 16], size)
        result[start : start + 16] = part.argmax(axis=-1)
    return result
