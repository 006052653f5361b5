"""All metrics of one case."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerakd.data.volumes.schemes import region
from kerakd.errors import DataError
from kerakd.evaluation.segmentation.lesions import lesion_wise
from kerakd.evaluation.segmentation.overlap import (
    dice,
    iou,
    sensitivity,
    specificity,
)
from kerakd.evaluation.segmentation.surface import hd95, surface_dice

# Name, and whether more is better.
METRICS = {
    "dice": True,
    "iou": True,
    "hd95": False,
    "surface_dice": True,
    "sensitivity": True,
    "specificity": True,
    "lesion_dice": True,
    "lesion_hd95": False,
}


def evaluate_case(
    truth: np.ndarray,
    predicted: np.ndarray,
    spacing: tuple[float, float, float],
    regions: Sequence[str] = ("WT", "TC", "ET"),
    *,
    empty: str = "brats2023",
    tolerance: float = 1.0,
) -> dict[str, dict[str, Any]]:
    """Compare one case with its truth, whole volumes and not slice by slice.

    Args:
        truth: Classes inside kerakd (0 to 3), `(slices, height, width)`.
        predicted: Likewise.
        spacing: Millimetres along each axis.
        regions: Of `"WT"`, `"TC"`, `"ET"`.
        empty: See `kerakd.evaluation.segmentation.EMPTY_POLICIES`.
        tolerance: Of the surface Dice, in millimetres.

    Returns:
        For each region the `METRICS`, `volume_ml` and `true_volume_ml`, and `lesions`
        (see `Lesions`).

    Raises:
        DataError: The shapes differ, or the spacing does not fit them.
        RecipeError: A region or the policy is unknown.

    Example:

    ```python
    read = kerakd.data.volumes.read_case(case, ("flair",), "brats2023")
    metrics = kerakd.evaluation.segmentation.evaluate_case(
        read.classes, predicted, read.spacing
    )
    metrics["WT"]["dice"], metrics["ET"]["hd95"]
    ```
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape or truth.ndim != 3:
        raise DataError(
            f"The truth has the shape {truth.shape} and the prediction "
            f"{predicted.shape}; two volumes of one shape were expected."
        )
    millilitres = float(np.prod(spacing)) / 1000
    found = {}
    for name in regions:
        there, said = region(truth, name), region(predicted, name)
        lesions = lesion_wise(there, said, spacing, empty)
        found[name] = {
            "dice": dice(there, said, empty),
            "iou": iou(there, said, empty),
            "hd95": hd95(there, said, spacing, empty),
            "surface_dice": surface_dice(there, said, spacing, tolerance, empty),
            "sensitivity": sensitivity(there, said, empty),
            "specificity": specificity(there, said, empty),
            "lesion_dice": lesions.dice,
            "lesion_hd95": lesions.hd95,
            "volume_ml": int(np.count_nonzero(said)) * millilitres,
            "true_volume_ml": int(np.count_nonzero(there)) * millilitres,
            "lesions": lesions.as_dict(),
        }
    return found
