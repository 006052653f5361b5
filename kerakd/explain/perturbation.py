"""Deletion and insertion: does the network need what the map calls important?"""

from typing import Any

import numpy as np

from kerakd.errors import DataError, RecipeError
from kerakd.explain.asking import opinion
from kerakd.explain.network import check_classes
from kerakd.explain.similarity import descending


def deletion_insertion(
    model: Any,
    images: Any,
    maps: Any,
    classes: Any,
    steps: int = 16,
    fill: float = 0.0,
    batch_size: int = 32,
) -> dict[str, np.ndarray]:
    """Curves of the probability while pixels are taken away, and while they come.

    "RISE: Randomized Input Sampling for Explanation of Black-box Models", Petsiuk et
    al., BMVC 2018. Deletion covers the hottest pixels first: a good map makes the
    probability fall soon, so a small area under the curve is good. Insertion begins
    with a blurred picture (Gaussian, standard deviation a twentieth of its height) and
    gives the hottest pixels back first: a large area is good. Both put pictures before
    the network that are unlike any it was trained on; compare with the areas of random
    maps, never alone.

    Args:
        model: A classifier as in `kerakd.explain.explain`; a list is an ensemble.
        images: Raw pixels (B, H, W, C).
        maps: Maps at the size of the pictures, (B, H, W).
        classes: Whose probability is followed, one or (B,).
        steps: In how many equal parts the pixels go, at least 2.
        fill: What deleted pixels become.
        batch_size: Pictures in a pass.

    Returns:
        `shares` (steps + 1,), `deletion` and `insertion` (B, steps + 1), and
        `deletion_area` and `insertion_area` (B,), all 0..1.

    Raises:
        DataError: The maps have another size than the pictures.
        RecipeError: `steps` is below 2.
    """
    images, maps = np.asarray(images, np.float32), np.asarray(maps)
    if images.ndim != 4 or maps.shape != images.shape[:3]:
        raise DataError(
            f"Maps must have the size of the pictures, {images.shape[:3]}; got "
            f"{maps.shape}: use Explanation.maps."
        )
    if steps < 2:
        raise RecipeError(f"steps must be at least 2, not {steps}.")
    models = list(model) if isinstance(model, list | tuple) else [model]
    known = opinion(models, images[:1]).shape
    if len(known) != 2:
        raise DataError(
            "Deletion and insertion follow one probability for a picture; this network "
            "answers for each pixel."
        )
    classes = check_classes(classes, len(images), known[-1])
    shares = np.linspace(0, 1, steps + 1)
    curves: dict[str, list[np.ndarray]] = {"deletion": [], "insertion": []}
    for image, one, order in zip(images, classes, descending(maps), strict=True):
        rank = np.empty(len(order))
        rank[order] = (np.arange(len(order)) + 0.5) / len(order)
        gone = rank.reshape(image.shape[:2])[None] < shares[:, None, None]
        plain, blurred = np.full_like(image, fill), _blurred(image)
        for name, start, end in (
            ("deletion", image, plain),
            ("insertion", blurred, image),
        ):
            pictures = np.where(gone[..., None], end, start)
            chances = opinion(models, pictures, batch_size)[:, one]
            curves[name].append(chances)
    stacked = {name: np.stack(rows) for name, rows in curves.items()}
    areas = {f"{k}_area": np.trapezoid(v, shares, axis=1) for k, v in stacked.items()}
    return {"shares": shares, **stacked, **areas}


def random_maps(count: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Maps that know nothing, for the level of chance: float32 (count, *size)."""
    generator = np.random.Generator(np.random.Philox(seed))
    return generator.random((count, *size), np.float32)


def _blurred(image: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    spread = image.shape[0] / 20
    return gaussian_filter(image, (spread, spread, 0))
