"""Whole networks over the bridge and back."""

import keras
import numpy as np
import pytest

import kerakd
from kerakd.compress.bridge import from_tf_keras, to_tf_keras
from kerakd.errors import ModelError
from tests.compress.bridge.networks import (
    pixels,
    relative,
    settled,
    small_mobilenet,
    small_mobilenet_v3,
    small_unet,
)


def small_alexnet():
    return settled(
        kerakd.models.build("alexnet", 4, (67, 67, 1), width=0.1, dense_units=16)
    )


def nested():
    """A backbone inside of a model, called in inference mode as for fine-tuning."""
    base = small_unet(filters=(4, 8))
    image = keras.Input((32, 32, 3))
    x = base(keras.layers.Rescaling(1 / 127.5, offset=-1)(image), training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(4)(x))


SMALL = {
    "mobilenet_v3_small": small_mobilenet_v3,
    "alexnet": small_alexnet,
    "unet_student": small_unet,
    "unet_teacher": lambda: small_unet("unet_teacher"),
    "nested": nested,
}


def built(name, **options):
    return lambda: settled(kerakd.models.build(name, 4, (64, 64, 3), **options))


BIG = {
    "mobilenet_v2": small_mobilenet,
    "resnet50": built("resnet50"),
    "resnet101": built("resnet101"),
    "efficientnet_v2_b0": built("efficientnet_v2_b0"),
    "densenet121": lambda: settled(
        keras.applications.DenseNet121(
            weights=None, input_shape=(64, 64, 3), classes=4, classifier_activation=None
        )
    ),
    "unet_student_whole": lambda: settled(kerakd.models.build("unet_student", 2)),
    "unet_teacher_whole": lambda: settled(kerakd.models.build("unet_teacher", 2)),
}


def there_and_back(model):
    """The twin agrees with the model; changed, it changes a copy alike."""
    before = [w.copy() for w in model.get_weights()]
    x = pixels(model.input_shape[1:])
    twin = to_tf_keras(model)
    expected = np.asarray(model(x, training=False))
    assert relative(expected, twin(x, training=False)) <= 1e-5
    assert twin.count_params() == model.count_params()
    for variable in twin.trainable_weights:
        variable.assign(variable * 1.01)
    back = from_tf_keras(twin, model)
    changed = np.asarray(twin(x, training=False))
    assert relative(changed, expected) > 1e-4
    assert relative(changed, back(x, training=False)) <= 1e-5
    # Nested models come back nested.
    assert [type(layer) for layer in back.layers] == [type(x) for x in model.layers]
    assert [w.name for w in back.weights] == [w.name for w in model.weights]
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", SMALL)
def test_a_network_crosses_and_comes_back(name):
    there_and_back(SMALL[name]())


@pytest.mark.slow
@pytest.mark.parametrize("name", BIG)
def test_a_big_network_crosses_and_comes_back(name):
    there_and_back(BIG[name]())


def test_what_is_frozen_stays_frozen_on_both_sides():
    model = small_unet()
    model.get_layer("encoder_1_a_conv").trainable = False
    twin = to_tf_keras(model)
    assert len(twin.trainable_weights) == len(model.trainable_weights)
    back = from_tf_keras(twin, model)
    assert not back.get_layer("encoder_1_a_conv").trainable
    assert back.get_layer("encoder_1_b_conv").trainable


def test_a_training_step_moves_the_statistics_of_both_alike():
    model = small_unet()
    twin = to_tf_keras(model)
    x = 0.3 * pixels((32, 32, 3), count=4)  # darker than what the statistics are of
    before = np.asarray(model.get_layer("encoder_1_a_bn").moving_mean)
    assert relative(model(x, training=True), twin(x, training=True)) <= 1e-4
    mean = np.asarray(model.get_layer("encoder_1_a_bn").moving_mean)
    again = from_tf_keras(twin, model).get_layer("encoder_1_a_bn").moving_mean
    assert relative(mean, before) > 0.01
    assert relative(mean, again) <= 1e-4


def test_a_model_in_mixed_precision_crosses_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = small_unet()
    finally:
        keras.config.set_dtype_policy("float32")
    plain = small_unet()
    plain.set_weights(mixed.get_weights())
    x = pixels((32, 32, 3))
    twin = to_tf_keras(mixed)
    assert relative(plain(x, training=False), twin(x, training=False)) <= 1e-5
    back = from_tf_keras(twin, mixed)
    assert back.get_layer("encoder_1_a_conv").compute_dtype == "bfloat16"


def test_a_subclassed_model_is_refused():
    class Mine(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ModelError, match="subclassed"):
        to_tf_keras(Mine())


def test_the_twin_of_another_model_is_refused():
    twin = to_tf_keras(small_unet())
    other = small_unet(filters=(8, 24))
    with pytest.raises(ModelError, match=r"of shape.*give the twin"):
        from_tf_keras(twin, other)
    with pytest.raises(ModelError, match="absent"):
        from_tf_keras(twin, small_alexnet())


def test_weights_that_are_not_finite_do_not_come_back():
    model = small_unet()
    twin = to_tf_keras(model)
    twin.trainable_weights[0].assign(twin.trainable_weights[0] * np.nan)
    with pytest.raises(ModelError, match="not finite"):
        from_tf_keras(twin, model)
