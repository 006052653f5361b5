"""How far two surfaces lie apart, in millimetres.

A surface is made of the voxels of a mask that share a face with a voxel outside it or
lie on the border of the image; distances run between centres of voxels. These are
MONAI's conventions. DeepMind's `surface-distance`, which BraTS uses, places surface
elements between voxels and weighs them by their area: its values differ from these by
fractions of a voxel.
"""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from kerakd.errors import DataError
from kerakd.evaluation.segmentation.empty import (
    as_masks,
    check_policy,
    check_spacing,
    far,
)


def hd95(
    truth: np.ndarray,
    predicted: np.ndarray,
    spacing: tuple[float, ...],
    empty: str = "brats2023",
) -> float:
    """95th percentile of the Hausdorff distance, the larger of both directions.

    Args:
        truth: Above 0 inside, 2-D or 3-D.
        predicted: Of the same shape.
        spacing: Millimetres from voxel to voxel along each axis.
        empty: See `EMPTY_POLICIES`.

    Returns:
        Millimetres, or NaN.

    Raises:
        DataError: The shapes differ, or the spacing does not fit them.
        RecipeError: The policy is unknown.
    """
    found = _distances(truth, predicted, spacing, empty)
    if isinstance(found, int):
        if found == 2:
            return float("nan") if empty == "exclude" else 0.0
        return far(empty, np.shape(truth), spacing)
    return float(max(np.percentile(one, 95) for one in found))


def surface_dice(
    truth: np.ndarray,
    predicted: np.ndarray,
    spacing: tuple[float, ...],
    tolerance: float = 1.0,
    empty: str = "brats2023",
) -> float:
    """Share of both surfaces that lies within `tolerance` of the other one.

    "Deep learning to achieve clinically applicable segmentation of head and neck
    anatomy", Nikolov et al. (arXiv:1809.04430).

    Args:
        truth: As of `hd95`.
        predicted: As of `hd95`.
        spacing: As of `hd95`.
        tolerance: Millimetres, 0 or more.
        empty: As of `hd95`.

    Returns:
        0 to 1, or NaN.

    Raises:
        DataError: As of `hd95`, or the tolerance is negative.
        RecipeError: As of `hd95`.
    """
    if not tolerance >= 0:
        raise DataError(f"tolerance must be 0 mm or more, not {tolerance!r}.")
    found = _distances(truth, predicted, spacing, empty)
    if isinstance(found, int):
        if empty == "exclude" and (found == 2 or not np.any(truth)):
            return float("nan")
        return 1.0 if found == 2 else 0.0
    near = sum(int(np.count_nonzero(one <= tolerance)) for one in found)
    return near / sum(len(one) for one in found)


def surface_points(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Centres of the surface voxels in millimetres, `(n, dimensions)`."""
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    inner = mask[box]
    edge = inner & ~ndimage.binary_erosion(inner)
    start = [part.start for part in box]
    return (np.argwhere(edge) + start) * np.asarray(spacing)


def _distances(
    truth: np.ndarray, predicted: np.ndarray, spacing: tuple[float, ...], empty: str
) -> tuple[np.ndarray, np.ndarray] | int:
    """From each surface voxel to the other surface; else how many masks are empty."""
    check_policy(empty)
    truth, predicted = as_masks(truth, predicted)
    spacing = check_spacing(spacing, truth.ndim)
    none = int(not truth.any()) + int(not predicted.any())
    if none:
        return none
    one, other = surface_points(truth, spacing), surface_points(predicted, spacing)
    return cKDTree(other).query(one)[0], cKDTree(one).query(other)[0]
