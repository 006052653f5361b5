import numpy as np
import pytest
from scipy.stats import spearmanr

from kerakd.errors import DataError
from kerakd.explain import compare_maps
from kerakd.explain.resizing import normalise, resize_maps
from kerakd.explain.similarity import centres_of_mass, descending, hottest


def test_measures_of_known_maps():
    generator = np.random.default_rng(0)
    a, b = generator.random((2, 3, 10, 10))
    found = compare_maps(a, b)
    for k in range(3):
        wanted = spearmanr(a[k].ravel(), b[k].ravel()).statistic
        assert found["rank_correlation"][k] == pytest.approx(wanted)
    same = compare_maps(a, 5 * a + 1)  # neither scale nor offset counts for ranks
    np.testing.assert_allclose(same["rank_correlation"], 1)
    np.testing.assert_allclose(same["top_iou"], 1)
    np.testing.assert_allclose(compare_maps(a, a)["centre_distance"], 0)
    opposite = compare_maps(a, 1 - a)
    np.testing.assert_allclose(opposite["rank_correlation"], -1)
    np.testing.assert_allclose(opposite["top_iou"], 0)


def test_distance_is_in_widths_of_the_picture():
    left, right = np.zeros((2, 1, 4, 8))
    left[0, 0, 0] = right[0, 0, 7] = 1
    assert compare_maps(left, right)["centre_distance"][0] == pytest.approx(7 / 8)
    top, bottom = np.zeros((2, 1, 4, 8))
    top[0, 0, 2] = bottom[0, 3, 2] = 1
    assert compare_maps(top, bottom)["centre_distance"][0] == pytest.approx(3 / 8)
    np.testing.assert_allclose(centres_of_mass(np.ones((1, 4, 8))), [[0.5, 0.5]])


def test_constant_maps_say_nothing():
    found = compare_maps(
        np.zeros((1, 4, 4)), np.random.default_rng(0).random((1, 4, 4))
    )
    assert all(np.isnan(values[0]) for values in found.values())


def test_equal_cells_are_not_preferred_by_their_place():
    maps = np.zeros((1, 20, 20))
    rows = np.nonzero(hottest(maps, 0.2)[0])[0]
    assert len(rows) == 80
    assert rows.mean() == pytest.approx(9.5, abs=2)
    maps[0, 7, 3] = 1
    assert descending(maps)[0, 0] == 7 * 20 + 3
    assert sorted(descending(maps)[0]) == list(range(400))


def test_maps_of_two_networks_are_enlarged_in_one_way():
    # A cell is the area that it covers: halves stay halves at any size.
    halves = np.float32([[[1, 1, 0, 0]] * 4])
    for side in (8, 13, 64):
        large = resize_maps(halves, (side, side))
        assert large.mean() == pytest.approx(0.5, abs=0.01)
        np.testing.assert_allclose(large, 1 - large[:, :, ::-1], atol=1e-6)
    np.testing.assert_array_equal(normalise(np.full((1, 2, 2), 3.0)), 0)
    two = normalise(np.float32([[[1, 2], [3, 5]], [[0, 0], [0, 1e-20]]]))
    np.testing.assert_allclose(two[0], [[0, 0.25], [0.5, 1]])
    assert two[1].max() == 1


def test_maps_of_two_sizes_are_not_compared():
    with pytest.raises(DataError, match="at one size"):
        compare_maps(np.ones((1, 4, 4)), np.ones((1, 5, 5)))
    with pytest.raises(DataError, match="between 0 and 1"):
        compare_maps(np.ones((1, 4, 4)), np.ones((1, 4, 4)), top=2)
