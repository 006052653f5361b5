"""Layers that int8 harms are found, left in float, and the logits come back."""

import keras
import numpy as np
import pytest

from kerakd.compress import quantize
from kerakd.compress.converter import to_flatbuffer
from kerakd.compress.integer import to_int8
from kerakd.compress.interpreter import LiteRTModel
from kerakd.report.compression import draw_layer_errors
from tests.compress.tiny import pixels


@pytest.fixture(scope="module")
def drowning():
    """A whisper on a loud constant in the first layers, which the next amplify."""
    keras.utils.set_random_seed(2)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    loud, clear = (keras.layers.Conv2D(4, 1, name=n) for n in ("loud", "clear"))
    x = clear(loud(x))
    for _ in range(6):
        x = keras.layers.Conv2D(4, 1, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))
    loud.set_weights([0.05 * loud.get_weights()[0], np.full(4, 10.0)])
    clear.set_weights([20 * np.eye(4)[None, None], np.full(4, -200.0)])
    return model


def test_the_first_layers_are_found_and_the_logits_come_back(drowning, tmp_path):
    flatbuffer = to_flatbuffer(drowning, "float32", (1, 8, 8, 3))
    images = pixels(100, size=8)
    lossy, repaired = (
        to_int8(flatbuffer, images, backend="converter", sensitive=wanted, seconds=0.05)
        for wanted in (None, "auto")
    )
    told = repaired.report["sensitive"]
    assert told["chosen"].startswith("the ") and told["float_tensors"]
    trials = told["mean_abs_difference"]
    assert trials[told["chosen"]] < 0.5 * trials["none"]
    errors = [layer["relative_error"] for layer in told["layers"]]
    assert errors == sorted(errors, reverse=True) and errors[0] > 5 * errors[-1]
    assert {layer["operator"] for layer in told["layers"]} <= {
        "MUL",
        "CONV_2D",
        "MEAN",
        "FULLY_CONNECTED",
    }
    fresh = pixels(30, size=8, seed=9)
    expected = drowning.predict(fresh, verbose=0)
    before, after = (
        np.abs(LiteRTModel.from_content(one.content)(fresh) - expected).mean()
        for one in (lossy, repaired)
    )
    assert after < 0.5 * before
    draw_layer_errors(told, tmp_path / "layers.png")
    assert (tmp_path / "layers.png").stat().st_size > 1000


def test_named_layers_stay_in_float(drowning, tmp_path):
    export = quantize(
        drowning,
        "int8",
        pixels(100, size=8),
        path=tmp_path / "m.tflite",
        backend="converter",
        sensitive=["loud", "logits"],
    )
    first, last = export.report["float_tensors"]
    assert "loud" in first and last == "logits"
    assert export.report["operators"]["DEQUANTIZE"] >= 2
