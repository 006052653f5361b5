"""Dynamic range: kernels in 8 bits that answer like float ones, in one partition."""

import keras
import numpy as np
import pytest

from kerakd.compress import LiteRTModel, quantize
from kerakd.compress.converter import to_flatbuffer
from kerakd.compress.dynamic import mend

SHAPE = (16, 16, 3)


@pytest.fixture(scope="module")
def depthwise():
    """A network with kernels of more than 1,024 values, one of them depthwise."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input(SHAPE)
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    x = keras.layers.Conv2D(128, 3, activation="relu", name="wide")(x)
    x = keras.layers.DepthwiseConv2D(3, activation="relu", name="depthwise")(x)
    x = keras.layers.Conv2D(16, 1, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(4, name="logits")(x))


@pytest.fixture(scope="module")
def images():
    """Smooth ones, as pictures are: neighbouring pixels are alike."""
    coarse = np.random.default_rng(1).integers(0, 256, (64, 4, 4, 3))
    return coarse.repeat(4, 1).repeat(4, 2).astype(np.float32)


@pytest.fixture(scope="module")
def made(depthwise):
    return {m: to_flatbuffer(depthwise, m, (1, *SHAPE)) for m in ("float32", "dynamic")}


def test_kernels_outside_of_the_delegate_are_unpacked_once(made, images):
    torn = LiteRTModel.from_content(made["dynamic"])
    assert torn.operators()["outside_xnnpack"] == {"DEPTHWISE_CONV_2D": 1}
    content, told = mend(made["dynamic"], made["float32"], None)
    mended = LiteRTModel.from_content(content)
    found = mended.operators()
    assert found["partitions"] == 1 and found["outside_xnnpack"] == {}
    assert found["operators"]["DEQUANTIZE"] == 1
    # The kernel is still stored in 8 bits.
    assert len(content) < len(made["dynamic"]) + 1000
    spread = torn(images).std()
    np.testing.assert_allclose(mended(images), torn(images), atol=0.05 * spread)
    assert told == {"chosen": "as it is", "mean_abs_difference": {}}


def test_kernels_rounded_together_are_taken_where_they_are_nearer(made, images):
    content, told = mend(made["dynamic"], made["float32"], images)
    before, after = told["mean_abs_difference"].values()
    assert told["chosen"] == "kernels rounded together" and after < 0.95 * before
    expected = LiteRTModel.from_content(made["float32"])(images)
    given = LiteRTModel.from_content(content)(images)
    assert np.abs(given - expected).mean() == pytest.approx(after, rel=1e-5)
    assert len(content) < len(made["dynamic"]) + 1000


def test_the_export_says_what_was_chosen(depthwise, images, tmp_path):
    export = quantize(depthwise, "dynamic", images, path=tmp_path / "m.tflite")
    assert export.report["prepared"]["chosen"] == "kernels rounded together"
    assert export.report["partitions"] == 1
    few = quantize(depthwise, "dynamic", images[:8], path=tmp_path / "few.tflite")
    assert few.report["prepared"]["chosen"] == "as it is"
