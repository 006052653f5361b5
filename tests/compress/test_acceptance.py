"""A converted model that is not the Keras model does not become a file."""

import numpy as np
import pytest
import tensorflow as tf

from kerakd.compress.acceptance import check_agreement, check_weights_inside
from kerakd.compress.interpreter import LiteRTModel
from kerakd.compress.silence import quiet
from kerakd.errors import ModelError
from tests.compress.tiny import pixels, small_classifier


def convert(model, *trackable):
    """What a person gets who follows the converter's own advice."""
    shape = (1, *model.input_shape[1:])
    function = tf.function(lambda x: model(x, training=False), autograph=False)
    with quiet():
        concrete = function.get_concrete_function(tf.TensorSpec(shape, tf.float32))
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [concrete], *trackable
        )
        return converter.convert()


def wide_classifier():
    import keras

    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Dense(128, activation="relu")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(2)(x), name="wide")


def test_weights_inside_pass():
    model = wide_classifier()
    check_weights_inside(model, "float32", len(convert(model)))


def test_a_file_without_the_weights_is_refused():
    """Given the model as second argument, the converter leaves its weights outside."""
    model = wide_classifier()
    hollow = convert(model, model)
    kernels = 4 * (8 * 8 * 3 * 128 + 128 * 2)
    assert len(hollow) < kernels / 10
    with pytest.raises(ModelError, match=f"'wide' has {len(hollow)} bytes.*{kernels}"):
        check_weights_inside(model, "float32", len(hollow))
    with pytest.raises(ModelError, match="exported file gives logits that are not fin"):
        check_agreement(
            model, LiteRTModel.from_content(hollow), "float32", None, (8, 8, 3)
        )


def test_equal_kernels_are_expected_once():
    model = wide_classifier()
    for layer in model.layers:
        layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    check_weights_inside(model, "float32", len(convert(model)))


def test_another_model_is_refused(model):
    import keras

    other = keras.models.clone_model(model)
    litert = LiteRTModel.from_content(convert(other))
    with pytest.raises(ModelError, match=r"disagrees with Keras.*0\.001 is allowed"):
        check_agreement(model, litert, "float32", pixels(4), (32, 32, 3))


def test_another_number_of_classes_is_refused(model):
    litert = LiteRTModel.from_content(convert(small_classifier(classes=3)))
    with pytest.raises(ModelError, match=r"\(8, 4\), the exported file \(8, 3\)"):
        check_agreement(model, litert, "float32", None, (32, 32, 3))


def test_at_most_64_images_are_compared(model):
    litert = LiteRTModel.from_content(convert(model))
    batches = (pixels(40, seed=seed) for seed in iter(int, 1))  # without end
    report = check_agreement(model, litert, "float32", batches, (32, 32, 3))
    assert report["images"] == 64 and report["pixels"] == "given"
