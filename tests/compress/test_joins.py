"""Concatenations whose inputs differ in range."""

import keras
import numpy as np
import pytest

from kerakd.compress.backends import ConverterBackend
from kerakd.compress.channels import channel_statistics
from kerakd.compress.converter import to_flatbuffer
from kerakd.compress.flatbuffer import kind, read
from kerakd.compress.interpreter import LiteRTModel
from kerakd.compress.joins import balance_joins
from tests.compress.tiny import pixels


def ladder(read_by="separable", loud=40.0, use_up_twice=False):
    """A U-Net of one level whose map from below is far louder than its skip."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    skip = layers.LeakyReLU(0.01)(layers.Conv2D(8, 3, padding="same")(x))
    below = layers.Conv2D(12, 3, padding="same", activation="relu")(
        layers.MaxPooling2D()(skip)
    )
    up = layers.Conv2DTranspose(6, 3, 2, padding="same", name="up")(below)
    x = layers.Concatenate()([up, skip])
    if read_by == "separable":
        x = layers.SeparableConv2D(8, 3, padding="same", activation="relu")(x)
    elif read_by == "plain":
        x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    else:
        x = layers.Activation("sigmoid")(x)
    if use_up_twice:
        x = layers.Concatenate()([layers.Activation("sigmoid")(x), up])
    model = keras.Model(inputs, layers.Conv2D(2, 1, name="logits")(x))
    kernel, bias = model.get_layer("up").get_weights()
    model.get_layer("up").set_weights([loud * kernel, bias + 0.5])
    return to_flatbuffer(model, "float32", (1, 16, 16, 3))


def ranges(flatbuffer, images):
    """The largest magnitudes of what goes into the first concatenation."""
    model = read(flatbuffer)
    operators = model.subgraphs[0].operators
    found = next(op for op in operators if kind(model, op) == "CONCATENATION")
    tensors = [int(index) for index in found.inputs]
    largest = channel_statistics(flatbuffer, images, tensors).largest
    return [largest[index].max() for index in tensors]


@pytest.mark.parametrize("read_by", ["separable", "plain"])
def test_balanced_joins_compute_the_same_on_ranges_that_are_alike(read_by):
    flatbuffer, images = ladder(read_by), pixels(20, size=16)
    balanced, count = balance_joins(flatbuffer, images)
    assert count == 1
    before, after = map(LiteRTModel.from_content, (flatbuffer, balanced))
    np.testing.assert_allclose(after(images), before(images), rtol=1e-4, atol=1e-4)
    assert after.operators()["operators"] == before.operators()["operators"]
    loud, _ = ranges(flatbuffer, images)
    quiet, skip = ranges(balanced, images)
    assert loud > 5 * skip
    # Powers of two below half of the skip's.
    assert skip / 4 <= quiet <= skip / 2


def test_int8_loses_less_and_stays_in_one_piece():
    flatbuffer, images = ladder(loud=400.0), pixels(20, size=16)
    images[0, 0, 0, :2] = 0, 255
    expected = LiteRTModel.from_content(flatbuffer)(images)
    models = [
        LiteRTModel.from_content(ConverterBackend(content, images).quantize())
        for content in (flatbuffer, balance_joins(flatbuffer, images)[0])
    ]
    before, after = (np.abs(model(images) - expected).mean() for model in models)
    assert after < 0.8 * before
    # A skip in steps far above its own is what XNNPACK leaves outside.
    assert models[0].operators()["outside_xnnpack"] == {"LEAKY_RELU": 1}
    assert models[1].operators()["outside_xnnpack"] == {}


@pytest.mark.parametrize("options", [{"read_by": "sigmoid"}, {"use_up_twice": True}])
def test_what_nobody_can_scale_back_is_left(options):
    flatbuffer = ladder(**options)
    content, count = balance_joins(flatbuffer, pixels(4, size=16))
    assert count == 0
    assert content == flatbuffer
