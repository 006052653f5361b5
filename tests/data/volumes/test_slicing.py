import numpy as np
import pytest
from PIL import Image

from kerakd.data.volumes.slicing import (
    linear_weights,
    logits_to_classes,
    resize_linear,
    resize_nearest,
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


def test_nearest_takes_names_as_they_are():
    masks = np.random.default_rng(0).integers(0, 4, (3, 24, 20)).astype(np.uint8)
    doubled = resize_nearest(masks, (48, 40))
    np.testing.assert_array_equal(doubled, masks.repeat(2, axis=1).repeat(2, axis=2))
    np.testing.assert_array_equal(resize_nearest(doubled, (24, 20)), masks)
    assert set(np.unique(resize_nearest(masks, (13, 7)))) <= {0, 1, 2, 3}


def test_there_and_back_keeps_a_tumour_where_it_was():
    rows, columns = np.mgrid[:240, :240]
    truth = ((rows - 100) ** 2 + (columns - 140) ** 2 < 40**2).astype(np.uint8)[None]
    images = truth[..., None].astype(np.float32)
    for target, classes in (("whole_tumour", 2), ("subregions", 4)):
        pictures, masks = to_slices(images, 2 * truth, (128, 128), target)
        assert pictures.shape == (1, 128, 128, 1)
        logits = 10.0 * np.eye(classes, dtype=np.float32)[masks]
        back = logits_to_classes(logits, (240, 240), target)
        assert set(np.unique(back)) == {0, masks.max()}
        both = np.count_nonzero((back > 0) & (truth > 0))
        assert 2 * both / (np.count_nonzero(back) + truth.sum()) > 0.98
        # Half a pixel off would be a systematic error of every volume.
        for there, again in zip(np.nonzero(truth[0]), np.nonzero(back[0]), strict=True):
            assert abs(there.mean() - again.mean()) < 0.1
