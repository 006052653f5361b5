import numpy as np
import pytest

from kerakd.errors import DataError, ModelError, RecipeError
from kerakd.explain import compare_maps, explain, methods_for, rise
from kerakd.explain.black_box import random_masks
from tests.explain import tiny


def hottest_cell(found):
    """Which of 4x4 cells holds the hottest place of the first map."""
    heat = found.maps[0]
    place = np.unravel_index(heat.argmax(), heat.shape)
    return tuple(int(i * 4 // heat.shape[0]) for i in place)


@pytest.mark.parametrize("cell", [(0, 3), (2, 1)])
def test_every_kind_of_map_finds_what_a_network_looks_at(cell):
    model = tiny.seeing(*cell)
    images = np.full((1, 24, 24, 1), 120, np.float32)
    for method in ("gradcam_plus_plus", "layercam", "scorecam", "saliency"):
        found = explain(model, images, method, 1)
        if method not in ("gradcam_plus_plus", "scorecam"):  # one channel: no place
            assert hottest_cell(found) == cell, method
    assert hottest_cell(rise(model, images, 1, masks=300)) == cell
    assert hottest_cell(explain(model, images, "integrated_gradients", 1)) == cell


def test_rise_asks_any_function_for_logits():
    def runner(pictures):
        bright = pictures[:, 6:12, 6:12].mean(axis=(1, 2, 3))
        return np.stack([np.full_like(bright, 60), bright], -1)

    images = np.full((2, 24, 24, 1), 120, np.float32)
    found = rise(runner, images, masks=300)
    assert hottest_cell(found) == (1, 1)
    np.testing.assert_array_equal(found.classes, 1)
    assert methods_for(runner) == ["rise"]
    with pytest.raises(ModelError, match="method='rise'"):
        explain(runner, images, "gradcam")


def test_a_tflite_file_is_explained_as_its_parent(flat, tmp_path):
    from kerakd.compress import LiteRTModel, quantize

    images = tiny.pictures(4)
    path = tmp_path / "student.tflite"
    quantize(flat, representative_data=images, path=path)
    found = rise(LiteRTModel(path), images[:2], 1, masks=60)
    parent = rise(flat, images[:2], 1, masks=60)
    alike = compare_maps(found.maps, parent.maps)
    assert (alike["rank_correlation"] > 0.99).all()
    np.testing.assert_allclose(found.scores, parent.scores, atol=1e-4)
    # A file says what size it takes.
    larger = tiny.pictures(1, size=48)
    assert rise(LiteRTModel(path), larger, masks=4).maps.shape == (1, 48, 48)


def test_masks_are_the_same_for_every_size():
    small, large = (random_masks(40, (side, side), seed=3) for side in (28, 112))
    assert small.min() >= 0 and small.max() <= 1
    shrunk = large.reshape(40, 28, 4, 28, 4).mean((2, 4))
    assert np.abs(shrunk - small).mean() < 0.1
    other = random_masks(40, (28, 28), seed=4)
    assert np.abs(other - small).mean() > 0.2
    assert abs(random_masks(400, (28, 28), keep=0.3).mean() - 0.3) < 0.02


def test_wrong_options_are_said(flat):
    with pytest.raises(RecipeError, match="at least 2 masks"):
        rise(flat, tiny.pictures(1), masks=1)
    with pytest.raises(DataError, match="gave 1 rows"):
        rise(lambda x: np.zeros((1, 2)), tiny.pictures(2), masks=4)
    with pytest.raises(ModelError, match="each pixel"):
        rise(lambda x: np.zeros((1, 4, 4, 2)), tiny.pictures(1), masks=4)
