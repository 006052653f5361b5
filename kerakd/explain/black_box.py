"""RISE: heat maps of any black box, the int8 file itself among them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kerakd.errors import DataError, ModelError, RecipeError
from kerakd.evaluation.classification import probabilities
from kerakd.evaluation.logits import check_logits
from kerakd.explain.network import check_classes
from kerakd.explain.resizing import resize_maps


def random_masks(
    count: int, size: tuple[int, int], cells: int = 7, keep: float = 0.5, seed: int = 0
) -> np.ndarray:
    """Smooth random masks, the same (as shares of the picture) for every size.

    A grid of (cells + 1) squared cells, each 1 with probability `keep`, enlarged
    bilinearly and cropped at a random shift of less than a cell.

    Returns:
        float32 of shape (count, *size), in 0..1.
    """
    if count < 2 or cells < 2 or not 0 < keep < 1:
        raise RecipeError(
            "RISE needs at least 2 masks and 2 cells, and a share to keep between 0 "
            f"and 1; got {count}, {cells} and {keep}."
        )
    generator = np.random.Generator(np.random.Philox(seed))
    grids = (generator.random((count, cells + 1, cells + 1)) < keep).astype(np.float32)
    shifts = generator.random((count, 2))
    height, width = (-(-side // cells) for side in size)
    large = resize_maps(grids, ((cells + 1) * height, (cells + 1) * width))
    masks = np.empty((count, *size), np.float32)
    for mask, grid, (down, right) in zip(masks, large, shifts, strict=True):
        top, left = int(down * height), int(right * width)
        mask[:] = grid[top : top + size[0], left : left + size[1]]
    return masks


def rise(
    forward: Callable[[np.ndarray], Any],
    images: np.ndarray,
    classes: Any = None,
    masks: int = 500,
    cells: int = 7,
    keep: float = 0.5,
    fill: float = 0.0,
    seed: int = 0,
    batch_size: int = 32,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes, their probabilities, and raw maps.

    Args:
        forward: From pictures of the network's size to logits (B, classes).
        images: float32 (B, H, W, C).
        classes: As in `kerakd.explain.explain`.
        masks: How many random masks.
        cells: Cells of a mask, across and down.
        keep: Share of cells that are shown.
        fill: What hidden pixels become.
        seed: Of the masks.
        batch_size: Masked pictures in a pass.
    """
    chances = _chances(forward, images)
    if classes is None:
        classes = chances.argmax(-1)
    classes = check_classes(classes, len(images), chances.shape[-1])
    drawn = random_masks(masks, images.shape[1:3], cells, keep, seed)
    # What a pixel's masks let through on average; dividing by it instead of `keep`
    # takes away the noise of how often each pixel happened to be shown.
    shown = drawn.sum(axis=0)
    maps = []
    for image, one in zip(images, classes, strict=True):
        total = np.zeros(image.shape[:2])
        for start in range(0, masks, batch_size):
            part = drawn[start : start + batch_size]
            masked = fill + (image - fill) * part[..., None]
            scores = _chances(forward, masked.astype(np.float32))[:, one]
            total += np.tensordot(scores, part, axes=1)
        maps.append(total / np.maximum(shown, 1e-6))
    picked = chances[np.arange(len(images)), classes].astype(np.float32)
    return classes, picked, np.stack(maps).astype(np.float32)


def _chances(forward: Callable, images: np.ndarray) -> np.ndarray:
    output = forward(images)
    output = output.numpy() if hasattr(output, "numpy") else output
    if np.ndim(output) == 4:
        raise ModelError(
            "RISE explains classifiers; this network answers for each pixel."
        )
    chances = probabilities(check_logits(output))
    if len(chances) != len(images):
        raise DataError(
            f"The network gave {len(chances)} rows of logits for {len(images)} "
            "pictures."
        )
    return chances


def fit_pictures(images: np.ndarray, shape: Any) -> np.ndarray:
    """Pictures at the size and channels that a runner says it takes, if it says so."""
    images = np.asarray(images)
    if images.ndim != 4 or images.dtype.kind not in "fiub" or len(images) == 0:
        raise DataError(
            "Heat maps need pictures of shape (batch, height, width, channels); got "
            f"{images.dtype} of shape {images.shape}."
        )
    images = images.astype(np.float32)
    if shape is None or len(shape) != 4:
        return images
    _, height, width, channels = shape
    if channels == 3 and images.shape[-1] == 1:
        images = np.repeat(images, 3, -1)
    elif channels == 1 and images.shape[-1] == 3:
        luminance = np.float32([0.299, 0.587, 0.114])
        images = (images * luminance).sum(-1, keepdims=True)
    if None in (height, width):
        return images
    return resize_maps(images, (height, width))
