import math

import numpy as np
import pytest
from scipy import ndimage

from kerakd.data.volumes import find_cases, read_case
from kerakd.errors import DataError
from kerakd.evaluation.segmentation import hd95, surface_dice
from tests.evaluation.segmentation import plainly

SPACING = (3.0, 1.0, 0.7)


def blobs(seed, shape=(9, 14, 12), share=0.25):
    """A mask of several round pieces, some cut off by the border."""
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = ndimage.gaussian_filter(noise, 1.5)
    return smooth > np.quantile(smooth, 1 - share)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["blobs", "noise"])
def test_random_masks(seed, kind):
    if kind == "blobs":
        truth, said = blobs(seed), blobs(seed + 100)
    else:
        truth, said = np.random.default_rng(seed).random((2, 6, 7, 8)) < 0.2
    pair = plainly.distances(truth, said, SPACING)
    assert hd95(truth, said, SPACING) == pytest.approx(plainly.hd95(pair), abs=1e-6)
    for tolerance in (0.0, 1.0, 3.0):
        expected = plainly.surface_dice(pair, tolerance)
        found = surface_dice(truth, said, SPACING, tolerance)
        assert found == pytest.approx(expected, abs=1e-6)


def test_a_shift_is_found_in_millimetres():
    truth = np.zeros((20, 20, 20), bool)
    truth[5:10, 5:10, 5:10] = True
    for axis, millimetres in enumerate(SPACING):
        moved = np.roll(truth, 4, axis)
        assert hd95(truth, moved, SPACING) == pytest.approx(4 * millimetres)
    assert hd95(truth, truth, SPACING) == 0
    assert surface_dice(truth, truth, SPACING, 0.0) == 1


def test_empty_masks():
    some, none = blobs(0), np.zeros((9, 14, 12), bool)
    for pair in ((some, none), (none, some)):
        assert hd95(*pair, SPACING) == 374
        assert surface_dice(*pair, SPACING) == 0
        diagonal = math.hypot(9 * 3.0, 14 * 1.0, 12 * 0.7)
        assert hd95(*pair, SPACING, "diagonal") == pytest.approx(diagonal)
        assert math.isnan(hd95(*pair, SPACING, "exclude"))
    assert surface_dice(some, none, SPACING, empty="exclude") == 0
    assert math.isnan(surface_dice(none, some, SPACING, empty="exclude"))
    for empty, expected in (("brats2023", 0), ("diagonal", 0)):
        assert hd95(none, none, SPACING, empty) == expected
        assert surface_dice(none, none, SPACING, empty=empty) == 1
    assert math.isnan(hd95(none, none, SPACING, "exclude"))


def test_bad_arguments():
    some = blobs(0)
    with pytest.raises(DataError, match="3 positive numbers of millimetres"):
        hd95(some, some, (1.0, 1.0))
    with pytest.raises(DataError, match="3 positive numbers of millimetres"):
        hd95(some, some, (1.0, 0.0, 1.0))
    with pytest.raises(DataError, match="tolerance must be 0 mm or more"):
        surface_dice(some, some, SPACING, -1.0)


def test_real_mask(real_data):
    (case,) = find_cases(real_data / "brats" / "BraTS2021_00006")
    read = read_case(case, ("flair",), "brats2018-2021")
    box = ndimage.find_objects((read.classes > 0).astype(np.uint8))[0]
    box = tuple(slice(part.start - 6, part.stop + 6) for part in box)
    truth = read.classes[box] > 0
    # A prediction that is wrong in a way that metrics see: moved, and too large.
    said = ndimage.binary_dilation(np.roll(truth, (1, -2, 3), (0, 1, 2)), iterations=2)
    spacing = (1.0, 0.9, 1.2)
    pair = plainly.distances_by_transform(truth, said, spacing)
    assert hd95(truth, said, spacing) == pytest.approx(plainly.hd95(pair), abs=1e-6)
    expected = plainly.surface_dice(pair, 2.0)
    assert surface_dice(truth, said, spacing, 2.0) == pytest.approx(expected, abs=1e-6)
