"""What every model promises, whatever its name."""

import keras
import numpy as np
import pytest

from kerakd.errors import ModelError
from kerakd.models import (
    build,
    ends_in_logits,
    load_model,
    names,
    options,
    set_batch_norm_momentum,
)

from .conftest import CLASSES, SMALL

# ResNet-101 is ResNet-50 with more blocks: it is only built and called here.
QUICK = sorted(set(SMALL) - {"resnet101"})


def test_small_forms_cover_every_classifier():
    maps = {"unet_teacher", "unet_student"}
    assert set(SMALL) == set(names()) - maps


@pytest.mark.parametrize("name", sorted(SMALL))
def test_gives_finite_logits_in_float32_of_uint8_pictures(name, classifiers, pictures):
    model = classifiers(name)
    x = pictures(model.input_shape[1:])
    logits = np.asarray(model(x))
    assert logits.shape == (2, CLASSES)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert ends_in_logits(model)
    assert model.layers[-1].name == "logits"
    np.testing.assert_array_equal(logits, model(x.astype("float32")))


@pytest.mark.parametrize("name", sorted(SMALL))
def test_is_one_flat_graph_of_layers_with_fixed_input(name, classifiers):
    model = classifiers(name)
    assert type(model) is type(keras.Model(model.inputs, model.outputs))
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert not any(isinstance(layer, keras.layers.Lambda) for layer in model.layers)
    assert model.inputs[0].dtype == "float32"
    assert all(layer.trainable for layer in model.layers)
    assert not model.compiled


@pytest.mark.parametrize("name", QUICK)
def test_a_saved_file_answers_the_same(name, classifiers, pictures, tmp_path):
    model = classifiers(name)
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    x = pictures(model.input_shape[1:])
    np.testing.assert_array_equal(model(x), loaded(x))
    assert [op.name for op in loaded.operations] == [op.name for op in model.operations]


@pytest.mark.parametrize("name", QUICK)
def test_gradient_reaches_the_first_kernel(name, classifiers, pictures):
    import tensorflow as tf

    model = classifiers(name)
    first = next(w for w in model.trainable_weights if len(w.shape) == 4)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(pictures(model.input_shape[1:])) ** 2)
    gradient = tape.gradient(loss, first.value)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize(
    ("small", "policy", "inside"),
    [
        ("alexnet", "mixed_float16", "conv5"),
        ("deit_small", "mixed_bfloat16", "block2"),
        ("mobilenet_v2", "mixed_float16", "Conv_1"),
    ],
)
def test_logits_and_normalisation_stay_float32(small, policy, inside, pictures):
    keras.config.set_dtype_policy(policy)
    try:
        model = build(small, CLASSES, **SMALL[small])
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("logits").compute_dtype == "float32"
    assert model.get_layer("normalize").compute_dtype == "float32"
    assert model.get_layer(inside).compute_dtype == policy.removeprefix("mixed_")
    logits = model(pictures(model.input_shape[1:]))
    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("small", ["alexnet", "deit_small"])
def test_seed_decides_the_initial_weights(small):
    made = []
    for seed in (7, 7, 8):
        keras.utils.set_random_seed(seed)
        made.append(build(small, CLASSES, **SMALL[small]).get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(made[0], made[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(made[0], made[2], strict=True))


@pytest.mark.parametrize("name", ["alexnet", "deit_small", "mobilenet_v3_small"])
def test_layer_names_do_not_depend_on_what_was_built_before(name, classifiers):
    first = classifiers(name)
    second = build(name, CLASSES, **SMALL[name])
    assert [op.name for op in first.operations] == [op.name for op in second.operations]


def test_grey_pictures_are_repeated_over_the_channels(classifiers, pictures):
    shape = (32, 32, 1)
    grey = build("mobilenet_v2", CLASSES, shape, alpha=0.35)
    colour = classifiers("mobilenet_v2")
    grey.set_weights(colour.get_weights())
    x = pictures(shape)
    np.testing.assert_array_equal(grey(x), colour(np.repeat(x, 3, axis=-1)))


def test_unknown_names_and_options_name_the_nearest():
    with pytest.raises(ModelError, match="resnet50"):
        build("resnet5", CLASSES)
    with pytest.raises(ModelError, match="alpha"):
        build("mobilenet_v2", CLASSES, (32, 32, 3), alfa=0.35)
    with pytest.raises(ModelError, match="no option 'alpha'"):
        build("resnet50", CLASSES, (32, 32, 3), alpha=0.35)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "at least 2"),
        ({"num_classes": 2.5}, "integer"),
        ({"input_shape": (16, 16, 3)}, "at least 32"),
        ({"input_shape": (32, 32, 4)}, "1 or 3 channels"),
        ({"input_shape": (32, 32)}, "height, width, channels"),
        ({"input_shape": 128}, "height, width, channels"),
        ({"dropout": 1.0}, "`dropout`"),
        ({"alpha": 0.0}, "`alpha`"),
        ({"alpha": "small"}, "`alpha`"),
        ({"head_units": 0}, "`head_units`"),
        ({"batch_norm_momentum": 1.5}, "momentum"),
    ],
)
def test_what_is_out_of_range_is_refused(arguments, message):
    given = {"num_classes": CLASSES, "input_shape": (32, 32, 3), **arguments}
    with pytest.raises(ModelError, match=message):
        build("mobilenet_v2", **given)


def test_options_lists_what_build_takes():
    assert options("mobilenet_v2")["alpha"] == 1.0
    assert options("alexnet")["input_shape"] == (227, 227, 1)
    with pytest.raises(ModelError, match="resnet50"):
        options("resnet")


def test_batch_norm_follows_short_training(classifiers):
    momenta = {
        layer.momentum
        for layer in classifiers("mobilenet_v2").layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert momenta == {0.9}
    kept = build(
        "mobilenet_v2", CLASSES, (32, 32, 3), alpha=0.1, batch_norm_momentum=None
    )
    assert kept.get_layer("bn_Conv1").momentum == 0.999
    assert set_batch_norm_momentum(kept, 0.95) == 52
    assert kept.get_layer("bn_Conv1").momentum == 0.95
