"""What is changed in a float32 graph before it is quantised, and what is not."""

import keras
import numpy as np
import pytest

from kerakd.compress.converter import to_flatbuffer
from kerakd.compress.equalise import equalise
from kerakd.compress.flatbuffer import constant, kind, read
from kerakd.compress.interpreter import LiteRTModel
from kerakd.compress.rewrites import halve_weights
from kerakd.compress.rounding import round_kernels
from tests.compress.tiny import pixels


def bottleneck(activation="relu"):
    """A residual chain of linear bottlenecks, one channel of which whispers."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, name="stem")(x)
    y = keras.layers.Conv2D(12, 1, activation=activation)(x)
    y = keras.layers.DepthwiseConv2D(3, padding="same", activation=activation)(y)
    y = keras.layers.Conv2D(8, 1, name="project")(y)
    x = keras.layers.Conv2D(16, 1, activation=activation)(keras.layers.Add()([x, y]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(4, name="logits")(x))
    for name in ("stem", "project"):
        kernel, bias = model.get_layer(name).get_weights()
        kernel[..., 0] /= 100
        model.get_layer(name).set_weights([kernel, bias])
    return to_flatbuffer(model, "float32", (1, 16, 16, 3))


@pytest.mark.parametrize("activation", ["relu", "relu6", None])
def test_scaled_channels_compute_the_same(activation):
    flatbuffer = bottleneck(activation)
    images = pixels(20, size=16)
    scaled, count = equalise(flatbuffer, images)
    # Both ends of the residual chain, its sum, and the two maps inside of the block.
    assert count == 5
    before, after = map(LiteRTModel.from_content, (flatbuffer, scaled))
    np.testing.assert_allclose(after(images), before(images), atol=1e-5)
    assert after.operators()["operators"] == before.operators()["operators"]


def test_a_whispering_channel_gets_its_range():
    flatbuffer = bottleneck()
    scaled, _ = equalise(flatbuffer, pixels(20, size=16))
    models = [read(content) for content in (flatbuffer, scaled)]
    (before, after) = (
        next(
            constant(model, int(op.inputs[1]))
            for op in model.subgraphs[0].operators
            if kind(model, op) == "CONV_2D"
        )
        for model in models
    )
    factors = np.abs(after).max(axis=(1, 2, 3)) / np.abs(before).max(axis=(1, 2, 3))
    assert factors[0] >= 16 > factors[1:].max()
    assert set(np.log2(factors) % 1) == {0.0}  # powers of two, which round nothing


def test_what_is_read_otherwise_is_left_alone():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 1)(inputs)
    x = keras.layers.Activation("sigmoid")(x)
    x = keras.layers.Conv2D(4, 1)(x)
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(x))
    flatbuffer = to_flatbuffer(keras.Model(inputs, outputs), "float32", (1, 8, 8, 3))
    same, count = equalise(flatbuffer, pixels(4, size=8))
    assert count == 0 and same == flatbuffer


def naively_rounded(model):
    """The Keras model with each value of its kernels rounded on its own."""
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    for layer in twin.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            axes = (
                (0, 1, 3)
                if isinstance(layer, keras.layers.DepthwiseConv2D)
                else (0, 1, 2)
            )
            scale = np.abs(kernel).max(axis=axes, keepdims=True) / 127
            layer.set_weights([np.rint(kernel / scale) * scale, bias])
    return twin


def smooth(count):
    """Images of two levels with a little noise, as alike as neighbours in a scan."""
    random = np.random.default_rng(0)
    images = np.where(np.arange(16)[:, None, None] < random.integers(4, 12), 20, 200)
    return (images + random.normal(0, 3, (count, 16, 16, 3))).clip(0, 255).round()


def test_kernels_rounded_together_err_less_than_one_by_one():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(inputs)
    x = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    x = keras.layers.Conv2D(16, 1, activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Conv2D(4, 1, name="logits")(x))
    flatbuffer = to_flatbuffer(model, "float32", (1, 16, 16, 3))
    images = smooth(40).astype(np.float32)
    rounded, count = round_kernels(flatbuffer, images)
    assert count == 4
    expected = model.predict(images, verbose=0)
    naive = naively_rounded(model).predict(images, verbose=0)
    mine = LiteRTModel.from_content(rounded)(images)
    mine_error, naive_error = (
        float(np.abs(given - expected).mean()) for given in (mine, naive)
    )
    print(f"one by one {naive_error:.3g}, together {mine_error:.3g}")
    assert mine_error < 0.8 * naive_error


def test_rounded_kernels_lie_on_the_grid_of_the_quantiser():
    flatbuffer = bottleneck()
    rounded, count = round_kernels(flatbuffer, pixels(20, size=16))
    assert count == 5
    before, after = read(flatbuffer), read(rounded)
    for old, new in zip(
        before.subgraphs[0].operators, after.subgraphs[0].operators, strict=True
    ):
        if kind(before, old) != "CONV_2D":
            continue
        was, now = (
            constant(model, int(op.inputs[1]))
            for model, op in ((before, old), (after, new))
        )
        largest = np.abs(was).max(axis=(1, 2, 3), keepdims=True)
        np.testing.assert_allclose(
            np.abs(now).max(axis=(1, 2, 3), keepdims=True), largest, rtol=1e-6
        )
        steps = now / largest * 127
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


def test_small_kernels_stay_in_float32():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, name="small")(inputs)
    x = keras.layers.Dense(64)(keras.layers.Flatten()(x))
    model = keras.Model(inputs, keras.layers.Dense(2, name="logits")(x))
    flatbuffer = to_flatbuffer(model, "float32", (1, 8, 8, 3))
    halved = halve_weights(flatbuffer)
    large = 6 * 6 * 8 * 64
    assert len(flatbuffer) - len(halved) == pytest.approx(2 * large, rel=0.05)
    litert = LiteRTModel.from_content(halved)
    found = litert.operators()
    assert found["operators"]["DEQUANTIZE"] == 1 and found["partitions"] == 1
    images = pixels(4, size=8)
    expected = LiteRTModel.from_content(flatbuffer)(images)
    np.testing.assert_allclose(litert(images), expected, rtol=0.01, atol=0.1)
