"""The exported files of a student explained as they are, beside their float parent."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.explain.intervals import mean_interval
from kerakd.explain.methods import rise
from kerakd.explain.similarity import MEASURES, compare_maps


def compare_exports(
    student: Any,
    files: Sequence[Path],
    images: np.ndarray,
    labels: np.ndarray,
    masks: int,
    seed: int,
) -> dict[str, Any]:
    """RISE through the LiteRT interpreter against RISE of the Keras student.

    Both see the same masks. How far RISE differs from itself is told, too: between two
    sets of masks, for the Keras student.

    Args:
        student: The Keras student.
        files: Its `.tflite` files.
        images: Raw pixels at the student's size (N, H, W, C).
        labels: The classes that the maps are about (N,).
        masks: How many random masks.
        seed: Of the masks.

    Returns:
        JSON-able: `count`, `masks`, `files` (by name, each measure of `compare_maps` as
        a mean with interval) and `other_masks`; empty where there are no files.
    """
    if not files:
        return {}
    from kerakd.compress import LiteRTModel

    def maps(model: Any, seed: int) -> np.ndarray:
        return rise(model, images, labels, masks=masks, seed=seed).at((32, 32))

    parent = maps(student, seed)
    return {
        "count": len(images),
        "masks": masks,
        "files": {
            file.name: _measured(parent, maps(LiteRTModel(file), seed))
            for file in files
        },
        "other_masks": _measured(parent, maps(student, seed + 1)),
    }


def _measured(first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    found = compare_maps(first, second)
    return {name: mean_interval(found[name]) for name in MEASURES}
