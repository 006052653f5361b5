"""How far two masks cover each other, in voxels."""

import numpy as np

from kerakd.evaluation.segmentation.empty import as_masks, check_policy


def _counts(truth: np.ndarray, predicted: np.ndarray) -> tuple[int, int, int, int]:
    """Voxels in both, in the truth, in the prediction, and all."""
    truth, predicted = as_masks(truth, predicted)
    both = int(np.count_nonzero(truth & predicted))
    return (
        both,
        int(np.count_nonzero(truth)),
        int(np.count_nonzero(predicted)),
        truth.size,
    )


def dice(truth: np.ndarray, predicted: np.ndarray, empty: str = "brats2023") -> float:
    """Dice: `2 |A and B| / (|A| + |B|)`.

    Args:
        truth: Above 0 inside, any shape.
        predicted: Of the same shape.
        empty: What it is where both are empty: 1, or NaN with `"exclude"`; see
            `EMPTY_POLICIES`.

    Returns:
        0 to 1, or NaN.

    Raises:
        DataError: The shapes differ.
        RecipeError: The policy is unknown.
    """
    check_policy(empty)
    both, there, said, _ = _counts(truth, predicted)
    if there + said == 0:
        return _nothing(empty)
    return 2 * both / (there + said)


def iou(truth: np.ndarray, predicted: np.ndarray, empty: str = "brats2023") -> float:
    """Intersection over union (Jaccard); arguments as of `dice`."""
    check_policy(empty)
    both, there, said, _ = _counts(truth, predicted)
    if there + said == 0:
        return _nothing(empty)
    return both / (there + said - both)


def sensitivity(
    truth: np.ndarray, predicted: np.ndarray, empty: str = "brats2023"
) -> float:
    """Share of the truth that was found (recall); arguments as of `dice`.

    Without truth it is 1 where nothing was predicted and 0 where something was, as
    BraTS 2023 counts it; NaN with `"exclude"`.
    """
    check_policy(empty)
    both, there, said, _ = _counts(truth, predicted)
    if there == 0:
        return _nothing(empty) if empty == "exclude" or said == 0 else 0.0
    return both / there


def specificity(
    truth: np.ndarray, predicted: np.ndarray, empty: str = "brats2023"
) -> float:
    """Share of the rest that was left alone; arguments as of `dice`.

    It depends on how much background is around and is near 1 for any small tumour.
    Without any background it is NaN with `"exclude"`, and else 0.
    """
    check_policy(empty)
    both, there, said, everything = _counts(truth, predicted)
    rest = everything - there
    if rest == 0:
        return float("nan") if empty == "exclude" else 0.0
    return (rest - (said - both)) / rest


def _nothing(empty: str) -> float:
    return float("nan") if empty == "exclude" else 1.0
