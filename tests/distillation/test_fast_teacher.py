import keras
import numpy as np
import pytest

import kerakd
from kerakd.distillation.fast_teacher import in_dtype
from kerakd.losses import Hint, KLDivergence
from tests.distillation.tiny import crossentropy, make_data, make_model, weights_of


@pytest.fixture
def nested():
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Rescaling(1 / 255, name="rescaling")(inputs)
    return keras.Model(inputs, make_model(8, seed=1, name="body")(x), name="teacher")


def test_the_copy_computes_in_bfloat16_close_to_the_teacher(nested):
    x = np.random.default_rng(0).uniform(0, 255, (6, 8, 8, 1)).astype("float32")
    before = weights_of(nested)
    copy = in_dtype(nested, "bfloat16")
    exact, fast = np.array(nested(x)), np.array(copy(x), "float32")
    assert 0 < np.abs(exact - fast).max() < 0.05 * exact.std()
    assert copy.get_layer("body").get_layer("conv").kernel.dtype == "bfloat16"
    assert keras.backend.standardize_dtype(copy(x).dtype) == "float32"
    assert copy.get_layer("rescaling").compute_dtype == "float32"
    assert {w.dtype for w in nested.weights} == {"float32"}
    for one, other in zip(before, weights_of(nested), strict=True):
        np.testing.assert_array_equal(one, other)
    assert in_dtype(nested, None) is nested


def test_a_distiller_asks_the_copy_and_remembers_it(nested, tmp_path):
    student = make_model(4, seed=2)
    losses = [KLDivergence(2.0), Hint("body/relu", "relu")]
    distiller = kerakd.Distiller(nested, student, losses, teacher_dtype="bfloat16")
    distiller.compile("adam", crossentropy())
    x, y = make_data()
    history = distiller.fit(x, y, batch_size=8, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert distiller.teacher is nested
    nested.save(tmp_path / "teacher.keras")
    distiller.attach_teacher(tmp_path / "teacher.keras")
    distiller.save(tmp_path / "distiller.keras")
    loaded = kerakd.load(tmp_path / "distiller.keras")
    (answer, _), (again, _) = distiller.ask_teachers(x) + loaded.ask_teachers(x)
    np.testing.assert_array_equal(np.array(answer), np.array(again))


def test_what_cannot_be_copied_is_refused(nested):
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(kerakd.KerakdError, match="functional or Sequential"):
        in_dtype(Subclassed(), "bfloat16")
    with pytest.raises(kerakd.KerakdError, match="teacher_dtype"):
        kerakd.Distiller(
            nested, make_model(4, seed=2), KLDivergence(), teacher_dtype="int8"
        )


def _body():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = keras.layers.BatchNormalization(name="bn_depthwise", scale=False)(x)
    x = keras.layers.Conv2DTranspose(5, 3, strides=2, padding="same", name="up")(x)
    x = keras.layers.BatchNormalization(name="bn_up", center=False)(x)
    # Read twice, with an activation, before the normalisation: these three stay.
    twice = keras.layers.Conv2D(5, 1, name="twice")(x)
    x = keras.layers.BatchNormalization(name="bn_twice")(twice)
    x = keras.layers.Add()([x, twice])
    x = keras.layers.Conv2D(5, 1, activation="relu", name="active")(x)
    x = keras.layers.BatchNormalization(name="bn_active")(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.BatchNormalization(name="bn_first")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x), name="body")


@pytest.fixture(scope="module")
def normalised():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, _body()(inputs), name="outer")
    random = np.random.default_rng(0)
    for weight in model.weights:
        low = 0.3 if "variance" in weight.path or "gamma" in weight.path else -0.5
        weight.assign(random.uniform(low, 1, weight.shape))
    return model


STAY = {"bn_twice", "bn_active", "bn_first"}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_normalisation_after_a_convolution_goes_into_its_weights(normalised, dtype):
    copy = in_dtype(normalised, dtype)
    left = {
        layer.name
        for layer in copy.get_layer("body").layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert left == STAY
    x = np.random.default_rng(1).normal(size=(16, 8, 8, 3)).astype("float32")
    exact, fast = np.array(normalised(x)), np.array(copy(x))
    digits = {"bfloat16": 0.03, "float16": 0.003}[dtype]
    assert np.abs(exact - fast).max() < digits * np.abs(exact).max()


def test_folding_alone_changes_no_more_than_rounding_does(normalised):
    from kerakd.distillation import fast_teacher

    copy = fast_teacher.in_dtype(normalised, "float32")
    x = np.random.default_rng(1).normal(size=(16, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(
        np.array(copy(x)), np.array(normalised(x)), rtol=1e-4, atol=1e-4
    )


def test_a_tapped_convolution_gives_what_it_gave(normalised):
    names = ["body/conv", "body/bn_up", "body/depthwise"]
    x = np.random.default_rng(1).normal(size=(4, 8, 8, 3)).astype("float32")
    wanted = kerakd.models.taps(normalised, names)(x)
    found = kerakd.models.taps(in_dtype(normalised, "float16", names), names)(x)
    for name in names:
        one, other = np.array(wanted[name]), np.array(found[name], "float32")
        assert np.abs(one - other).max() < 0.01 * np.abs(one).max()


def test_a_network_called_twice_inside_another_is_left_alone():
    keras.utils.set_random_seed(0)
    body = _body()
    first, second = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    both = keras.layers.Average()([body(first), body(second)])
    copy = in_dtype(keras.Model([first, second], both), "bfloat16")
    x = np.random.default_rng(1).normal(size=(4, 8, 8, 3)).astype("float32")
    assert np.isfinite(np.array(copy([x, 2 * x]), "float32")).all()
    assert isinstance(
        copy.get_layer("body").get_layer("bn"), keras.layers.BatchNormalization
    )


def test_a_recipe_knows_the_same_dtypes():
    from typing import get_args, get_type_hints

    from kerakd.distillation.fast_teacher import DTYPES
    from kerakd.recipe.distilling import DistillationSection

    known = get_args(get_type_hints(DistillationSection)["teacher_dtype"])
    assert set(get_args(known[0])) == set(DTYPES)
