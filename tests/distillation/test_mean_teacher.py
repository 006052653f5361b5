import keras
import numpy as np
import pytest

import kerakd
from kerakd.losses import KLDivergence
from tests.distillation.tiny import (
    assert_same_weights,
    crossentropy,
    make_data,
    make_model,
    weights_of,
)


def make(student, momentum=0.5):
    distiller = kerakd.Distiller(
        kerakd.MeanTeacher(momentum), student, KLDivergence(2.0)
    )
    distiller.compile(keras.optimizers.SGD(0.5), crossentropy())
    return distiller


def fit(distiller, epochs=1):
    x, y = make_data()
    distiller.fit(x, y, batch_size=12, epochs=epochs, shuffle=False, verbose=0)


def test_the_teacher_is_the_moving_average_of_the_student():
    x, y = make_data()
    distiller = make(make_model(4, seed=2))
    expected = weights_of(distiller.student)
    assert_same_weights(distiller.teacher, distiller.student)
    for step in range(1, 4):
        distiller.train_on_batch(x, y)
        momentum = min(0.5, 1 - 1 / (step + 1))
        expected = [
            momentum * old + (1 - momentum) * new
            for old, new in zip(expected, weights_of(distiller.student), strict=True)
        ]
        for found, wanted in zip(weights_of(distiller.teacher), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    trained = {id(weight) for weight in distiller.trainable_weights}
    assert trained == {id(weight) for weight in distiller.student.trainable_weights}


def test_the_students_penalty_is_counted_once():
    distiller = make(make_model(4, seed=2, l2=0.1))
    assert len(distiller.losses) == len(distiller.student.losses) == 1


def test_saved_and_loaded_it_goes_on(tmp_path):
    distiller = make(make_model(4, seed=2))
    fit(distiller)
    distiller.save(tmp_path / "distiller.keras")
    loaded = kerakd.load(tmp_path / "distiller.keras")
    assert_same_weights(loaded.teacher, distiller.teacher)
    fit(distiller)
    fit(loaded)
    assert_same_weights(loaded.student, distiller.student)
    assert_same_weights(loaded.teacher, distiller.teacher)


def test_a_training_resumes_with_its_average(tmp_path):
    class Interrupt(Exception):
        pass

    class InterruptAt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise Interrupt

    def train(student, **options):
        return kerakd.train_student(
            student, make_data(), teacher=kerakd.MeanTeacher(0.9), epochs=2,
            batch_size=12, verbose=0, **options,
        )  # fmt: skip

    whole = train(make_model(4, seed=2))
    with pytest.raises(Interrupt):
        train(make_model(4, seed=2), out=tmp_path, callbacks=[InterruptAt()])
    # The weights that the student is built with do not matter any more.
    resumed = train(make_model(4, seed=3), out=tmp_path, resume=True)
    assert_same_weights(resumed.model.student, whole.model.student)
    assert_same_weights(resumed.model.teacher, whole.model.teacher)
    with pytest.raises(kerakd.KerakdError, match="momentum"):
        kerakd.train_student(
            make_model(4, seed=2), make_data(), teacher=kerakd.MeanTeacher(0.5),
            epochs=2, batch_size=12, out=tmp_path, resume=True,
        )  # fmt: skip


@pytest.mark.parametrize("momentum", [1, -0.1, True, "0.9", None])
def test_other_momenta_are_refused(momentum):
    with pytest.raises(kerakd.KerakdError, match="momentum"):
        kerakd.MeanTeacher(momentum)
