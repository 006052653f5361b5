import json

import numpy as np
import pytest

from kerakd.errors import DataError, RecipeError
from kerakd.explain import (
    against_masks,
    deletion_insertion,
    explain,
    faithfulness,
    weight_randomisation,
)
from kerakd.explain.masks import find_masks, read_mask
from tests.explain import tiny


def bright(cell):
    """24x24 pictures with one bright cell of 4x4, where `tiny.seeing` looks."""
    picture = np.full((1, 24, 24, 1), 20, np.float32)
    rows = slice(6 * cell[0], 6 * cell[0] + 6)
    picture[:, rows, 6 * cell[1] : 6 * cell[1] + 6] = 240
    return picture


def test_the_true_map_deletes_and_inserts_faster_than_chance():
    model, image = tiny.seeing(1, 2, gain=0.25, bias=52), bright((1, 2))
    true = np.zeros((1, 24, 24), np.float32)
    true[:, 6:12, 12:18] = 1
    found = deletion_insertion(model, image, true, 1, steps=16)
    opposite = deletion_insertion(model, image, 1 - true, 1, steps=16)
    assert found["deletion"].shape == (1, 17)
    full, empty = found["deletion"][0, 0], found["deletion"][0, -1]
    assert full > 0.9 and empty < 0.1
    # The cell is a sixteenth of the picture: gone after the first step.
    assert found["deletion"][0, 1] == pytest.approx(empty, abs=0.02)
    assert found["insertion"][0, 1] == pytest.approx(full, abs=0.02)
    assert found["deletion_area"][0] < 0.15 < 0.8 < opposite["deletion_area"][0]
    assert found["insertion_area"][0] > opposite["insertion_area"][0] + 0.3
    with pytest.raises(DataError, match="size of the pictures"):
        deletion_insertion(model, image, true[:, :4], 1)
    with pytest.raises(RecipeError, match="at least 2, not 1"):
        deletion_insertion(model, image, true, 1, steps=1)


def test_pixels_have_no_one_probability(unet):
    x = np.zeros((1, 32, 32, 3), np.float32)
    with pytest.raises(DataError, match="each pixel"):
        deletion_insertion(unet, x, x[..., 0], 1)


def test_maps_change_when_the_weights_are_forgotten_and_the_model_does_not(flat):
    images, before = tiny.pictures(4), [w.copy() for w in flat.get_weights()]
    found = weight_randomisation(flat, images, ["saliency", "gradcam"], 1, stages=3)
    for old, new in zip(before, flat.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert found["layers"][0] == 1 and found["layers"][-1] == found["of"] == 4
    likeness = found["methods"]["saliency"]["rank_correlation"]
    assert likeness.shape == (len(found["layers"]), 4)
    assert np.nanmean(likeness[-1]) < 0.8
    # A picture's own brightness is no explanation: it does not change.
    again = weight_randomisation(flat, images, ["saliency"], 1, stages=3)
    np.testing.assert_array_equal(
        again["methods"]["saliency"]["rank_correlation"], likeness
    )
    nested = weight_randomisation(
        tiny.nested(), images, ["layercam"], 1, stages=1, layer="backbone/relu"
    )
    assert nested["of"] == 4
    with pytest.raises(RecipeError, match="at least 1, not 0"):
        weight_randomisation(flat, images, ["saliency"], 1, stages=0)


def test_maps_against_masks_and_chance():
    mask = np.zeros((2, 20, 20))
    mask[:, 0:10, 0:4] = 255  # a tenth of the picture
    inside, outside = np.zeros((2, 20, 20))
    inside[2, 2] = outside[15, 15] = 1
    found = against_masks(np.stack([inside, outside]), mask)
    np.testing.assert_array_equal(found["pointing"], [1, 0])
    np.testing.assert_array_equal(found["energy"], [1, 0])
    np.testing.assert_allclose(found["pointing_chance"], 0.1)
    np.testing.assert_array_equal(found["pointing_centre"], [0, 0])
    np.testing.assert_allclose(found["iou_chance"], 0.1 / 1.9)
    perfect = against_masks(mask / 255, mask)
    np.testing.assert_array_equal(perfect["iou"], 1)
    # Maps of chance are measured at the level of chance.
    noise = np.random.default_rng(0).random((400, 20, 20))
    many = against_masks(noise, np.repeat(mask[:1], 400, 0))
    for name in ("pointing", "energy", "iou"):
        chance = many[f"{name}_chance"].mean()
        assert many[name].mean() == pytest.approx(chance, abs=0.04)
    assert np.isnan(against_masks(np.zeros((1, 20, 20)), mask[:1])["pointing"][0])
    with pytest.raises(DataError, match="picture 0 is empty"):
        against_masks(noise[:1], 0 * mask[:1])
    with pytest.raises(DataError, match="cannot be measured"):
        against_masks(noise[:1], mask)


def test_mask_files_are_found_by_class_and_name(tmp_path):
    from PIL import Image

    marked = np.zeros((8, 6), np.uint8)
    marked[2:4] = 255
    for name, pixels in (("glioma/one", marked), ("glioma/none", 0 * marked)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    ids = ["Testing/other/one.jpg", "Testing/glioma/one.jpg", "two.jpg"]
    found = find_masks(tmp_path, ids, ["other", "glioma", "glioma"])
    assert list(found) == [1]
    np.testing.assert_array_equal(read_mask(found[1]), marked > 0)
    with pytest.raises(DataError, match="Nothing is marked"):
        read_mask(tmp_path / "glioma" / "none.png")
    with pytest.raises(DataError, match="mask for none"):
        find_masks(tmp_path, ["x.png"], ["glioma"])
    with pytest.raises(DataError, match="no folder of masks"):
        find_masks(tmp_path / "absent", [], [])


def test_one_table_of_all_evidence():
    model = tiny.seeing(1, 2)
    images = np.repeat(bright((1, 2)), 3, 0) + np.random.default_rng(0).uniform(
        0, 15, (3, 24, 24, 1)
    ).astype(np.float32)
    mask = np.zeros((24, 24))
    mask[6:12, 12:18] = 1
    found = faithfulness(
        model,
        images,
        np.ones(3, int),
        ["integrated_gradients", "layercam"],
        masks={0: mask, 2: mask[::2, ::2]},
        steps=8,
        stages=1,
        randomised=2,
        resamples=50,
    )
    json.dumps(found, allow_nan=False)
    one = found["methods"]["integrated_gradients"]
    assert one["masks"]["pointing"]["mean"] == 1
    assert one["masks"]["pointing"]["chance"] == pytest.approx(1 / 16)
    assert one["masks"]["energy"]["mean"] > 0.9
    assert one["masks"]["iou"]["count"] == 2
    assert one["deletion"]["better_than_random"]["mean"] > 0.1
    assert one["insertion"]["better_than_random"]["interval"][0] > 0
    assert len(one["deletion"]["curve"]) == len(found["shares"]) == 9
    assert one["randomisation"]["count"] == 2
    assert found["completeness"]["median"] < 0.005
    again = faithfulness(
        model,
        images,
        np.ones(3, int),
        explanations={"saliency": explain(model, images, "saliency", 1)},
        steps=0,
        stages=0,
    )
    assert list(again["methods"]) == ["saliency"] and "random" not in again
    with pytest.raises(DataError, match="3 pictures and 2 labels"):
        faithfulness(model, images, [1, 1])
