"""What a metric is where a mask is empty: a choice with a name."""

import numpy as np

from kerakd.errors import DataError, RecipeError, nearest

# The length that BraTS gives to a distance that there is none of: the diagonal of its
# grid of 240 x 240 x 155 mm, rounded up.
BRATS_DISTANCE = 374.0

EMPTY_POLICIES = {
    "brats2023": "Both empty is right: 1, and 0 mm. One empty is wrong: 0, and 374 mm.",
    "diagonal": "As brats2023, with the diagonal of the image in place of 374 mm.",
    "exclude": "NaN, which means leave out, wherever there is no truth to compare "
    "with, and for distances where either mask is empty.",
}


def check_policy(empty: str) -> None:
    """Refuse an unknown policy.

    Raises:
        RecipeError: It is none of `EMPTY_POLICIES`.
    """
    if empty not in EMPTY_POLICIES:
        raise RecipeError(
            f"There is no policy for empty masks {empty!r}. "
            + nearest(empty, EMPTY_POLICIES)
        )


def far(empty: str, shape: tuple[int, ...], spacing: tuple[float, ...]) -> float:
    """The distance between a mask and none, in millimetres."""
    check_policy(empty)
    if empty == "exclude":
        return float("nan")
    if empty == "brats2023":
        return BRATS_DISTANCE
    return float(np.linalg.norm(np.multiply(shape, spacing)))


def as_masks(truth: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two masks as bool arrays of one shape.

    Raises:
        DataError: Their shapes differ, or there is nothing in them.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape or truth.size == 0:
        raise DataError(
            f"The truth has the shape {truth.shape} and the prediction "
            f"{predicted.shape}; give two masks of one case on one grid."
        )
    return truth.astype(bool), predicted.astype(bool)


def check_spacing(spacing: tuple[float, ...], dimensions: int) -> tuple[float, ...]:
    """Refuse a spacing that is not positive, or of another number of dimensions.

    Raises:
        DataError: Names the spacing.
    """
    spacing = tuple(map(float, np.ravel(spacing)))
    if len(spacing) != dimensions or not all(0 < s < float("inf") for s in spacing):
        raise DataError(
            f"spacing must be {dimensions} positive numbers of millimetres, one for "
            f"each axis; got {spacing}."
        )
    return spacing
