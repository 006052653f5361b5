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
