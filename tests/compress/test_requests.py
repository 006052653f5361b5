"""What cannot be exported is refused before any work, in a sentence that helps."""

import keras
import pytest

from kerakd.compress import quantize
from kerakd.errors import ModelError, RecipeError
from tests.compress.tiny import small_classifier


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.dense = keras.layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def two_inputs():
    first, second = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    both = keras.layers.Flatten()(keras.layers.Add()([first, second]))
    return keras.Model([first, second], keras.layers.Dense(2)(both), name="pair")


def any_size():
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, keras.layers.Conv2D(2, 1)(inputs), name="free")


def no_image():
    inputs = keras.Input((8,))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs), name="flat")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Subclassed, r"'mine' is subclassed.*functional"),
        (lambda: keras.Sequential([keras.layers.Dense(2)]), "no input shape yet"),
        (two_inputs, r"'pair' has 2 inputs and 1 outputs; export one with one of each"),
        (any_size, r"'free' takes inputs of shape \(None, None, 3\).*input_shape"),
        (no_image, r"'flat' takes inputs of shape \(8,\)"),
        (lambda: "resnet50", "Expected a keras.Model, got str"),
        (lambda: small_classifier(end="softmax"), r"softmax.*kerakd\.models\.with_log"),
        (lambda: small_classifier(classes=1, end="sigmoid"), "does not end in logits"),
    ],
)
def test_models_that_cannot_be_exported(make, message, tmp_path):
    with pytest.raises(ModelError, match=message):
        quantize(make(), path=tmp_path / "m.tflite")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"mode": "flaot16"},
            r"'dynamic', 'int8', 'int16x8'\. Did you mean 'float16'",
        ),
        ({"mode": "int4"}, "valid modes are 'float32', 'float16', 'dynamic', 'int8'"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"class_names": ["a", "b"]}, "4 different names"),
        ({"class_names": ["a", "b", "b", "c"]}, "4 different names"),
        ({"class_names": ["a", "b", "c\nd", "e"]}, "non-empty lines"),
        ({"provenance": {"path": object()}}, "provenance must be plain JSON"),
        ({"preprocessing": {"mean": float("nan")}}, "preprocessing must be plain JSON"),
        ({"threads": 0}, "threads must be at least 1"),
    ],
)
def test_options_that_cannot_be_used(model, options, message, tmp_path):
    with pytest.raises(RecipeError, match=message):
        quantize(model, path=tmp_path / "m.tflite", **options)
    assert list(tmp_path.iterdir()) == []


def test_another_suffix_is_refused(model, tmp_path):
    with pytest.raises(RecipeError, match=r"ends in \.tflite.*m\.onnx"):
        quantize(model, path=tmp_path / "m.onnx")


def test_a_binary_model_has_two_names_for_its_logit(tmp_path):
    model = small_classifier(classes=1)
    export = quantize(model, path=tmp_path / "m.tflite", class_names=["no", "yes"])
    assert export.outputs["shape"] == [1, 1]
    assert export.report["top1_agreement"] == 1.0
