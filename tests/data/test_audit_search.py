"""The search loses no pair; the comparison in detail tells copies from neighbours."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from kerakd.data.audit import confirm, index
from kerakd.data.audit.clusters import connected, join
from kerakd.data.audit.index import (
    SYMMETRIES,
    candidates,
    is_flat,
    normalise,
    turn,
)


def thumbnails(count, seed=0):
    random = np.random.default_rng(seed)
    fields = gaussian_filter(random.normal(size=(count, 32, 32)), (0, 2, 2))
    return (fields / np.abs(fields).max() * 120 + 128).astype(np.uint8)


def brute_force(thumbs, least):
    """Every pair and symmetry above the threshold, by comparing all with all."""
    flat = normalise(thumbs).reshape(len(thumbs), -1)
    found = set()
    for number in range(8):
        turned = normalise(turn(thumbs, number)).reshape(len(thumbs), -1)
        first, second = np.nonzero(flat @ turned.T >= least)
        found |= {
            (a, b, number)
            for a, b in zip(first.tolist(), second.tolist(), strict=True)
            if a < b
        }
    return found


@pytest.fixture(scope="module")
def family():
    """Sixty fields, copies of them in all symmetries, and fields half-way to others."""
    random = np.random.default_rng(1)
    fields = thumbnails(60)
    turned = [turn(fields[i], i % 8) for i in range(30)]
    mixed = 0.8 * fields[:30] + 0.2 * fields[30:]
    noise = random.normal(0, 3, (30, 32, 32))
    stack = np.concatenate([fields, turned, mixed + noise])
    return stack.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("exact", [10_000, 0], ids=["all pairs", "hashed"])
def test_no_pair_is_lost_and_none_invented(family, exact):
    found = candidates(family, 0.9, exact=exact)
    columns = (found.first, found.second, found.symmetry)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert len(rows) == len(set(rows)) and rows == sorted(rows)
    assert set(rows) == brute_force(family, 0.9)
    assert len(rows) > 40 and set(found.symmetry) == set(range(8))
    for a, b, number in rows[:20]:
        r = (normalise(family[a]) * normalise(turn(family[b], number))).sum()
        assert found.correlation[rows.index((a, b, number))] == pytest.approx(
            r, abs=1e-3
        )


@pytest.mark.parametrize("held", [1, 7, 300])
def test_pairs_are_the_same_however_many_are_held_at_a_time(family, held, monkeypatch):
    expected = candidates(family, 0.9, exact=0)
    monkeypatch.setattr(index, "_PAIRS", held)
    found = candidates(family, 0.9, exact=0)
    for name in ("first", "second", "symmetry", "correlation"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("exact", [10_000, 0], ids=["all pairs", "hashed"])
def test_flat_pictures_have_no_copies(exact):
    thumbs = np.full((30, 32, 32), 7, np.uint8)
    thumbs[np.arange(30), 0, 0] = np.arange(30)
    assert is_flat(thumbs).all()
    for stack in (thumbs, thumbs[:1], np.concatenate([thumbs, thumbnails(2)])):
        assert len(candidates(stack, 0.9, exact=exact).first) == 0


def test_more_copies_than_are_looked_at_are_told():
    thumbs = np.repeat(thumbnails(1), 600, axis=0)
    thumbs[np.arange(600), np.arange(600) % 32, np.arange(600) // 32] += 1
    found = candidates(np.concatenate([thumbs, thumbnails(60, 5)]), 0.9, exact=0)
    assert 500 < found.crowded <= 600
    clusters = connected(660, found.first, found.second)
    assert len(np.unique(clusters[:600])) == 1 and len(np.unique(clusters)) == 61


def test_turning_as_named():
    picture = np.arange(9).reshape(3, 3)
    named = dict(zip(SYMMETRIES, (turn(picture, n) for n in range(8)), strict=True))
    assert (named["same"] == picture).all()
    assert (named["rotated 90"] == np.rot90(picture)).all()
    assert (named["rotated 180"] == picture[::-1, ::-1]).all()
    assert (named["mirrored left-right"] == picture[:, ::-1]).all()
    assert (named["mirrored top-bottom"] == picture[::-1]).all()
    assert (named["mirrored along the main diagonal"] == picture.T).all()
    other = named["mirrored along the other diagonal"]
    assert (other == picture[::-1, ::-1].T).all()


def scene(seed, side=confirm.SIDE):
    random = np.random.default_rng(seed)
    rough = gaussian_filter(random.normal(size=(side, side)), 1.5)
    return (128 + 30 * rough / rough.std()).clip(0, 255)


def compared(a, b):
    a, b = (confirm.detail(x.clip(0, 255).astype(np.uint8)) for x in (a, b))
    whole, local = confirm.agreement(a[None].astype(float), b[None].astype(float))
    return float(whole[0]), float(local[0])


@pytest.mark.parametrize(
    "change",
    [
        lambda x: 0.6 * x + 30,
        lambda x: 255 * (x / 255) ** 1.3,
        lambda x: x + np.random.default_rng(0).normal(0, 3, x.shape),
        lambda x: x * np.linspace(0.7, 1, confirm.SIDE),  # shading
    ],
)
def test_what_a_copy_survives(change):
    whole, local = compared(scene(0), change(scene(0)))
    assert whole > confirm.DETAIL and local > confirm.LOCAL


def test_a_neighbour_in_the_same_outline_is_no_copy():
    # Bright outline and broad shading shared, the inside another: as thumbnails alike.
    y, x = np.mgrid[-1 : 1 : confirm.SIDE * 1j, -1 : 1 : confirm.SIDE * 1j]
    radius = np.hypot(x / 0.7, y / 0.9)
    skull = 200 * ((radius > 0.9) & (radius < 1))
    a, b = (skull + (radius < 0.9) * (0.3 * scene(seed) + 50) for seed in (1, 2))
    a32, b32 = (p.reshape(32, 4, 32, 4).mean((1, 3)) for p in (a, b))
    assert (normalise(a32) * normalise(b32)).sum() > confirm.COARSE
    whole, local = compared(a, b)
    assert local < confirm.LOCAL
    assert not confirm.is_copy(np.array(1.0), np.array(whole), np.array(local))


def test_a_picture_moved_by_two_pixels_is_no_copy():
    _, local = compared(scene(3), shift(scene(3), (2, 2), mode="nearest"))
    assert local < confirm.LOCAL


def test_empty_pictures_agree_in_nothing():
    blank = np.zeros((confirm.SIDE, confirm.SIDE))
    assert compared(blank, blank) == (0, 0)


def test_clusters_are_numbered_by_their_first_member():
    found = connected(6, np.array([4, 5]), np.array([1, 4]))
    assert found.tolist() == [0, 1, 2, 3, 1, 1]
    assert connected(3, np.array([], int), np.array([], int)).tolist() == [0, 1, 2]


def test_groups_and_clusters_join_through_chains():
    groups = ["p", "p", "q", "r", "s"]
    clusters = [0, 1, 1, 2, 3]  # p - q through cluster 1
    joined = join(groups, clusters)
    assert joined[0] == joined[1] == joined[2]
    assert len({joined[0], joined[3], joined[4]}) == 3
