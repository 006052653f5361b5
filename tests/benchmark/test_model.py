"""Accuracy, Dice and agreement of files, against numbers counted by hand."""

import numpy as np
import pytest

from kerakd.benchmark import benchmark_models
from kerakd.compress import quantize
from kerakd.errors import DataError, ModelError, RecipeError


@pytest.fixture(scope="module")
def threshold(tmp_path_factory):
    """A U-Net without a body: bright pixels are class 1."""
    import keras

    inputs = keras.Input((8, 8, 1))
    layer = keras.layers.Conv2D(2, 1, name="logits")
    model = keras.Model(inputs, layer(inputs), name="threshold")
    layer.set_weights([np.array([[[[0.0, 1.0]]]]), np.array([0.0, -100.0])])
    path = tmp_path_factory.mktemp("map") / "threshold.tflite"
    return quantize(model, path=path, class_names=["rest", "tumour"]).path


def test_dice_of_maps(threshold):
    images = np.zeros((3, 8, 8, 1), np.float32)
    masks = np.zeros((3, 8, 8), np.int64)
    images[0, :2, :4], masks[0, :2, :4] = 200, 1  # found whole
    images[1, :4, :4], masks[1, :2, :4] = 200, 1  # 16 said, 8 true: 16 / 24
    # The third has none and none is found: it says nothing.
    (one,) = benchmark_models([threshold], (images, masks), seconds=0.01)["variants"]
    assert one["dice"] == pytest.approx((1 + 2 / 3) / 2)
    assert one["per_class"] == {"tumour": pytest.approx(5 / 6)}
    low, high = one["dice_interval"]
    assert 2 / 3 - 1e-9 <= low < one["dice"] < high <= 1 + 1e-9
    assert one["task"] == "segmentation" and one["agreement"] == {"threshold": 1.0}


def test_labels_that_do_not_fit(threshold):
    images = np.zeros((2, 8, 8, 1), np.float32)
    with pytest.raises(DataError, match="Accuracy needs labels"):
        benchmark_models([threshold], images, seconds=0.01)
    with pytest.raises(DataError, match="labels of its task"):
        benchmark_models([threshold], (images, np.zeros(2, int)), seconds=0.01)


def test_files_that_are_none(tmp_path):
    with pytest.raises(RecipeError, match="name at least one"):
        benchmark_models([])
    (tmp_path / "m.tflite").write_bytes(b"no model at all")
    with pytest.raises(ModelError, match="is no LiteRT"):
        benchmark_models([tmp_path / "m.tflite"])
