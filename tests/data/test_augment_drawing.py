import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from kerakd.data.augment import Augmentation, draw
from kerakd.data.augment.drawing import order
from kerakd.errors import RecipeError

EVERYTHING = Augmentation.preset(
    "full",
    vertical_flip=True,
    mixup=0.4,
    cutmix=1.0,
    randaugment={"operations": 2, "magnitude": 0.5},
)
IDS = [f"Training/glioma/Tr-gl_{n:04d}.jpg" for n in range(2000)]


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_a_row_depends_on_its_own_id_alone():
    whole = draw(EVERYTHING, 7, 3, IDS, IDS)
    chosen = [40, 3, 1999, 17]
    few = draw(EVERYTHING, 7, 3, [IDS[n] for n in chosen], IDS[::-1])
    same(few, {name: column[chosen] for name, column in whole.items()})


@pytest.mark.parametrize(("seed", "view"), [(8, 3), (7, 4)])
def test_seed_and_view_change_every_column(seed, view):
    one = draw(EVERYTHING, 7, 3, IDS, IDS)
    other = draw(EVERYTHING, seed, view, IDS, IDS)
    for name in one:
        assert (one[name] != other[name]).any(), name


def test_seed_and_view_do_not_run_together():
    one = draw(EVERYTHING, 1, 12, IDS, IDS)["rotation"]
    other = draw(EVERYTHING, 11, 2, IDS, IDS)["rotation"]
    assert (one != other).all()


def test_switching_one_parameter_on_leaves_the_others():
    flips = Augmentation(horizontal_flip=True)
    alone = draw(flips, 0, 0, IDS)["horizontal_flip"]
    np.testing.assert_array_equal(
        alone, draw(EVERYTHING, 0, 0, IDS, IDS)["horizontal_flip"]
    )


def test_the_same_numbers_on_any_machine():
    # Written down once: a change here changes every cache and every resumed run.
    row = draw(Augmentation(rotation=180.0, translation=1.0), 0, 0, ["a"])
    found = [*row["rotation"], *row["translation"][0]]
    expected = [-164.4590314116299, 0.16598084944630553, 0.7280098875943997]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert list(order(0, 0, ["b", "a", "c", "d"])) == [2, 0, 1, 3]


def test_another_process_with_another_hash_seed_draws_the_same():
    code = (
        "import sys; from kerakd.data.augment import Augmentation, draw; "
        "row = draw(Augmentation(rotation=15.0), 5, 2, ['x/y.png']); "
        "print(repr(float(row['rotation'][0])), 'tensorflow' in sys.modules)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
    here = draw(Augmentation(rotation=15.0), 5, 2, ["x/y.png"])["rotation"][0]
    assert said[0].split() == [repr(float(here)), "False"]


def test_draws_fill_their_ranges_evenly():
    table = draw(EVERYTHING, 0, 0, IDS, IDS)
    for name, low, high in [
        ("rotation", -15, 15),
        ("shear", -10, 10),
        ("scale", 0.9, 1.1),
        ("brightness", 0.8, 1.2),
        ("contrast", 0.8, 1.2),
        ("saturation", 0.8, 1.2),
    ]:
        fraction = (table[name].astype(np.float64) - low) / (high - low)
        assert stats.kstest(fraction, "uniform").pvalue > 1e-3, name
    for name in ("horizontal_flip", "vertical_flip"):
        assert 0.45 < table[name].mean() < 0.55
    assert np.abs(np.corrcoef(table["rotation"], table["shear"])[0, 1]) < 0.1


@pytest.mark.parametrize("first", [0, 4, 40])
def test_four_views_hold_every_combination_of_two_flips(first):
    both = Augmentation(horizontal_flip=True, vertical_flip=True)
    drawn = [draw(both, 3, first + view, IDS) for view in range(4)]
    combinations = np.stack(
        [2 * t["horizontal_flip"] + t["vertical_flip"] for t in drawn], axis=-1
    )
    np.testing.assert_array_equal(np.sort(combinations), [[0, 1, 2, 3]] * len(IDS))
    # Each image has an order of its own, of the 16 in which the views 0 and 1, and 2
    # and 3, are mirror images of each other left and right.
    assert len(np.unique(combinations, axis=0)) == 16


@pytest.mark.parametrize("name", ["horizontal_flip", "vertical_flip"])
def test_two_views_hold_both_sides_of_one_flip(name):
    one = Augmentation(**{name: True})
    for first in (0, 2, 4):
        left = draw(one, 3, first, IDS)[name]
        np.testing.assert_array_equal(left, ~draw(one, 3, first + 1, IDS)[name])
        assert 0.45 < left.mean() < 0.55


def test_partners_and_shares_of_mixup():
    table = draw(Augmentation(mixup=0.4), 0, 0, IDS, IDS)
    assert table["partner"].min() >= 0
    assert table["partner"].max() < len(IDS)
    assert len(np.unique(table["partner"])) > 0.5 * len(IDS)
    assert stats.kstest(table["mix_share"], stats.beta(0.4, 0.4).cdf).pvalue > 1e-3
    np.testing.assert_array_equal(table["mix_share"], table["mix_strength"])


def test_boxes_of_cutmix_have_the_area_of_the_label():
    table = draw(Augmentation(cutmix=1.0), 0, 0, IDS, IDS)
    left, top, right, bottom = table["mix_box"].T
    assert (table["mix_box"] >= 0).all()
    assert (table["mix_box"] <= 1).all()
    np.testing.assert_allclose(
        (right - left) * (bottom - top), table["mix_share"], atol=1e-6
    )


def test_mixing_needs_a_population():
    with pytest.raises(RecipeError, match="population="):
        draw(Augmentation(mixup=0.2), 0, 0, IDS)


def test_strengths_of_randaugment():
    policy = Augmentation(randaugment={"operations": 3, "magnitude": 0.5})
    table = draw(policy, 0, 0, IDS)
    assert table["operators"].shape == table["strengths"].shape == (len(IDS), 3)
    assert set(np.unique(table["operators"])) == set(range(14))
    sizes = np.abs(table["strengths"])
    assert abs(sizes.mean() - 0.5) < 0.01
    assert abs(sizes.std() - 0.15) < 0.01
    assert 0.45 < (table["strengths"] > 0).mean() < 0.55


def test_order_is_a_permutation_of_ids_whatever_the_table_order():
    forward = order(3, 5, IDS)
    assert sorted(forward) == list(range(len(IDS)))
    backward = order(3, 5, IDS[::-1])
    assert [IDS[n] for n in forward] == [IDS[::-1][n] for n in backward]
    assert (order(3, 6, IDS) != forward).any()
    assert (order(4, 5, IDS) != forward).any()
