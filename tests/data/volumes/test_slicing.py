import numpy as np
import pytest
from PIL import Image

from kerakd.data.volumes.slicing import (
    linear_weights,
    logits_to_classes,
    resize_classes,
    resize_linear,
    to_slices,
)


@pytest.mark.parametrize(("old", "new"), [((24, 20), (16, 16)), ((9, 13), (20, 32))])
def test_linear_is_what_pillow_does(old, new):
    picture = np.random.default_rng(0).normal(size=(2, *old, 3)).astype(np.float32)
    found = resize_linear(picture, new)
    for n in range(2):
        for channel in range(3):
            plane = Image.fromarray(picture[n, ..., channel])
            expected = plane.resize(new[::-1], Image.Resampling.BILINEAR)
            np.testing.assert_allclose(
                found[n, ..., channel], np.asarray(expected), atol=1e-5
            )


def test_a_constant_stays_one():
    np.testing.assert_allclose(linear_weights(240, 128).sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(linear_weights(7, 7), np.eye(7))


def test_classes_stay_classes():
    masks = np.random.default_rng(0).integers(0, 4, (3, 24, 20)).astype(np.uint8)
    doubled = masks.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(resize_classes(doubled[:, ::2, ::2], (24, 20)), masks)
    assert set(np.unique(resize_classes(masks, (13, 7)))) <= {0, 1, 2, 3}
    # Three by three pixels of one class and one of another.
    block = np.zeros((1, 9, 9), np.uint8)
    block[0, :3, :3] = 2
    block[0, 1, 1] = 3
    small = resize_classes(block, (3, 3))
    assert small[0].tolist() == [[2, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_there_and_back_keeps_a_tumour_where_it_was():
    rows, columns = np.mgrid[:240, :240]
    places = np.random.default_rng(0).uniform(60, 180, (30, 2))
    truth = np.stack([(rows - y) ** 2 + (columns - x) ** 2 < 900 for y, x in places])
    images = truth[..., None].astype(np.float32)
    for target, classes in (("whole_tumour", 2), ("subregions", 4)):
        pictures, masks = to_slices(images, 2 * np.uint8(truth), (128, 128), target)
        assert pictures.shape == (30, 128, 128, 1)
        logits = 10.0 * np.eye(classes, dtype=np.float32)[masks]
        back = logits_to_classes(logits, (240, 240), target)
        assert set(np.unique(back)) == {0, masks.max()}
        both = np.count_nonzero((back > 0) & truth)
        assert 2 * both / (np.count_nonzero(back) + truth.sum()) > 0.985
        # Half a pixel off would be a systematic error of every volume.
        for there, again in zip(np.nonzero(truth), np.nonzero(back), strict=True):
            assert abs(there.mean() - again.mean()) < 0.15
