"""Mixed precision ends at the export; the user's model stays as it was."""

import keras
import numpy as np
import pytest

from kerakd.compress import LiteRTModel, quantize
from kerakd.compress.precision import in_float32
from kerakd.errors import ModelError
from tests.compress.tiny import pixels


@pytest.fixture
def mixed_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


class Unregistered(keras.layers.Layer):
    """A custom layer that nobody registered, with a layer inside."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = keras.layers.Dense(units, dtype=self.dtype_policy)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x)

    def get_config(self):
        return super().get_config() | {"units": self.units}


class Forgetful(keras.layers.Layer):
    """A custom layer whose configuration is not complete."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def call(self, x):
        return x * self.units

    def get_config(self):
        return {"name": self.name}


def mixed_model(last=Unregistered):
    """Operations, a nested model, attention and a custom layer."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x) * 0.5 + 1.0
    x = keras.layers.BatchNormalization()(x)
    inner = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Conv2D(8, 1)])
    x = keras.layers.Reshape((-1, 8))(inner(x))
    x = keras.layers.MultiHeadAttention(2, 4)(x, x)
    x = last(6)(keras.layers.GlobalAveragePooling1D()(x))
    outputs = keras.layers.Dense(3, name="logits", dtype="float32")(x)
    model = keras.Model(inputs, outputs, name="mixed")
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_float32_models_are_taken_as_they_are(model):
    assert in_float32(model) is model


def test_every_layer_computes_in_float32(mixed_bfloat16):
    model = mixed_model()
    twin = in_float32(model)
    assert {
        layer.compute_dtype for layer in twin._flatten_layers(include_self=False)
    } == {"float32"}
    assert "bfloat16" in {layer.compute_dtype for layer in model.layers}
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    for mine, its in zip(model.weights, twin.weights, strict=True):
        np.testing.assert_array_equal(mine, its)
        assert mine is not its


def test_export_of_a_mixed_model_is_a_float32_file(mixed_bfloat16, tmp_path):
    model = mixed_model()
    before = model.get_weights()
    images = pixels(6, size=16)
    export = quantize(model, "float32", images, path=tmp_path / "m.tflite")
    assert "CAST" not in export.report["operators"]
    assert export.report["relative"] < 1e-5  # compared with the float32 twin
    logits = LiteRTModel(export.path)(images)
    np.testing.assert_allclose(logits, model.predict(images, verbose=0), atol=0.1)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.layers[2].compute_dtype == "bfloat16"


def test_a_layer_that_cannot_be_rebuilt_is_named_with_a_remedy(mixed_bfloat16):
    with pytest.raises(ModelError, match=r"'mixed' in float32.*complete get_config"):
        in_float32(mixed_model(Forgetful))
