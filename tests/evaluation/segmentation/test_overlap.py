import math

import numpy as np
import pytest

from kerakd.errors import DataError, RecipeError
from kerakd.evaluation.segmentation import dice, iou, sensitivity, specificity
from tests.evaluation.segmentation import plainly


@pytest.mark.parametrize("seed", range(5))
def test_random_masks(seed):
    random = np.random.default_rng(seed)
    truth, said = random.random((2, 6, 9, 8)) < random.random((2, 1, 1, 1))
    a, b = plainly.voxels(truth), plainly.voxels(said)
    assert dice(truth, said) == pytest.approx(plainly.dice(truth, said), abs=1e-12)
    assert iou(truth, said) == pytest.approx(len(a & b) / len(a | b), abs=1e-12)
    assert sensitivity(truth, said) == pytest.approx(len(a & b) / len(a), abs=1e-12)
    rest = truth.size - len(a)
    left_alone = (rest - len(b - a)) / rest
    assert specificity(truth, said) == pytest.approx(left_alone, abs=1e-12)


ONE, NONE = np.eye(3, dtype=np.uint8), np.zeros((3, 3), np.uint8)


@pytest.mark.parametrize(
    ("metric", "both_empty", "no_truth", "no_prediction"),
    [
        (dice, 1, 0, 0),
        (iou, 1, 0, 0),
        (sensitivity, 1, 0, 0),
        (specificity, 1, 6 / 9, 1),
    ],
)
def test_empty_masks(metric, both_empty, no_truth, no_prediction):
    for empty in ("brats2023", "diagonal"):
        assert metric(NONE, NONE, empty) == both_empty
        assert metric(NONE, ONE, empty) == pytest.approx(no_truth)
        assert metric(ONE, NONE, empty) == no_prediction
    if metric is specificity:
        assert math.isnan(metric(ONE + 1, ONE, "exclude"))
    else:
        assert math.isnan(metric(NONE, NONE, "exclude"))
        assert metric(ONE, NONE, "exclude") == 0
    assert math.isnan(sensitivity(NONE, ONE, "exclude"))


def test_bad_arguments():
    with pytest.raises(DataError, match=r"shape \(3, 3\) and the prediction \(2, 3\)"):
        dice(ONE, ONE[:2])
    with pytest.raises(RecipeError, match="no policy for empty masks 'nan'"):
        dice(ONE, ONE, "nan")
