import math

import numpy as np
import pytest

from kerakd.evaluation.segmentation import lesion_wise
from tests.evaluation.segmentation import plainly
from tests.evaluation.segmentation.test_surface import blobs

UNIT = (1.0, 1.0, 1.0)


def ball(centre, radius, shape=(40, 40, 40)):
    grid = np.indices(shape).reshape(3, -1).T - np.asarray(centre)
    return ((grid**2).sum(axis=1) <= radius**2).reshape(shape)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("growth", "smallest"), [(1, 2.0), (2, 20.0)])
def test_random_masks(seed, growth, smallest):
    truth = blobs(seed, (8, 20, 16), 0.06)
    said = blobs(seed + 50, (8, 20, 16), 0.06) | np.roll(truth, 1, 1)
    said[:, 9:] &= blobs(seed + 50, (8, 20, 16), 0.06)[:, 9:]
    spacing = (2.0, 1.0, 0.8)
    found = lesion_wise(truth, said, spacing, growth=growth, smallest=smallest)
    expected = plainly.lesion_wise(truth, said, spacing, growth, smallest)
    counted = found.found, found.missed, found.false_alarms
    assert counted == expected[2:]
    assert found.dice == pytest.approx(expected[0], abs=1e-6)
    assert found.hd95 == pytest.approx(expected[1], abs=1e-6)


def test_one_found_one_missed_one_made_up():
    large, small = ball((10, 10, 10), 6), ball((30, 30, 30), 4)
    made_up = ball((10, 32, 10), 3)
    found = lesion_wise(large | small, large | made_up, UNIT)
    assert (found.found, found.missed, found.false_alarms) == (1, 1, 1)
    assert found.dice == pytest.approx(1 / 3)
    assert found.hd95 == pytest.approx(2 * 374 / 3)
    assert found.dices == (1.0, 0.0)


def test_pieces_that_grow_together_are_one_lesion():
    # A gap of 8 voxels, and one of 6, which three steps from either side close.
    apart = ball((10, 10, 10), 4) | ball((10, 10, 27), 4)
    assert len(lesion_wise(apart, apart, UNIT).dices) == 2
    near = ball((10, 10, 10), 4) | ball((10, 10, 25), 4)
    assert len(lesion_wise(near, near, UNIT).dices) == 1
    assert len(lesion_wise(near, near, UNIT, growth=2).dices) == 2


def test_small_lesions_are_left_out_and_small_false_alarms_are_not():
    tiny = ball((20, 20, 20), 2)  # 33 voxels
    assert tiny.sum() == 33
    nothing = np.zeros_like(tiny)
    missed = lesion_wise(tiny, nothing, UNIT)
    assert (missed.dice, missed.hd95, missed.missed) == (1.0, 0.0, 0)
    # Larger voxels make the same lesion a large one.
    assert lesion_wise(tiny, nothing, (2.0, 1.0, 1.0)).missed == 1
    alarm = lesion_wise(nothing, tiny, UNIT)
    assert (alarm.dice, alarm.hd95, alarm.false_alarms) == (0.0, 374.0, 1)
    # What was predicted at a lesion that is left out is no false alarm.
    assert lesion_wise(tiny, tiny, UNIT).false_alarms == 0


def test_empty_masks():
    nothing = np.zeros((5, 5, 5), bool)
    assert lesion_wise(nothing, nothing, UNIT).dice == 1
    assert math.isnan(lesion_wise(nothing, nothing, UNIT, "exclude").dice)
