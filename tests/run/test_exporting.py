"""Which training images calibrate an integer mode."""

import numpy as np
import pytest

from kerakd.run.exporting import stratified


def test_every_class_is_there_in_its_share():
    labels = np.repeat([0, 1, 2], [900, 95, 5])
    rows = stratified(labels, 128, seed=3)
    assert np.bincount(labels[rows]).tolist() == [115, 12, 1]
    assert len(set(rows.tolist())) == len(rows)
    np.testing.assert_array_equal(rows, stratified(labels, 128, seed=3))
    assert not np.array_equal(rows, stratified(labels, 128, seed=4))


@pytest.mark.parametrize("count", [4, 9])
def test_of_few_images_all_are_taken(count):
    np.testing.assert_array_equal(stratified(np.zeros(4, int), count, 0), range(4))
