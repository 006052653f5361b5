import math

import keras
import pytest

from kerakd.training.options import TrainingOptions
from kerakd.training.schedules import ReduceOnPlateau, learning_rate


def test_constant_and_plateau_are_numbers():
    for schedule in ("constant", "plateau"):
        options = TrainingOptions(schedule=schedule, learning_rate=0.5)
        assert learning_rate(options, 10) == 0.5


def test_step_changes_with_the_first_step_of_an_epoch():
    options = TrainingOptions(
        schedule="step", learning_rate=1.0, step_epochs=2, step_factor=0.5
    )
    rate = learning_rate(options, steps_per_epoch=5)
    assert [float(rate(step)) for step in (0, 9, 10, 19, 20)] == [1, 1, 0.5, 0.5, 0.25]


def test_cosine_without_warmup():
    options = TrainingOptions(
        schedule="cosine", learning_rate=2.0, epochs=4, final_fraction=0.1
    )
    rate = learning_rate(options, steps_per_epoch=5)
    for step in (0, 7, 19, 20):
        cosine = (1 + math.cos(math.pi * step / 20)) / 2
        assert float(rate(step)) == pytest.approx(2.0 * (0.9 * cosine + 0.1), rel=1e-5)


def test_warmup_is_linear_and_never_zero():
    options = TrainingOptions(
        schedule="cosine", learning_rate=1.0, epochs=4, warmup_epochs=0.8
    )
    rate = learning_rate(options, steps_per_epoch=5)
    assert [float(rate(step)) for step in range(5)] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1.0]
    )
    assert float(rate(20)) == pytest.approx(0.0, abs=1e-6)


def test_plateau_state_comes_back():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    options = TrainingOptions(plateau_patience=2, plateau_factor=0.5)

    def callback(state=None):
        made = ReduceOnPlateau(options)
        made.set_model(model)
        made.on_train_begin()
        if state:
            made.set_state(state)
        return made

    first = callback()
    for epoch, loss in enumerate((1.0, 1.0)):
        first.on_epoch_end(epoch, {"val_loss": loss})
    assert float(model.optimizer.learning_rate) == 1.0
    second = callback(first.get_state())
    second.on_epoch_end(2, {"val_loss": 1.0})
    assert float(model.optimizer.learning_rate) == 0.5
