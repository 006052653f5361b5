import keras
import numpy as np
import pytest

from kerakd.errors import KerakdError, RecipeError
from kerakd.training.options import EarlyStoppingOptions
from kerakd.training.stopping import EarlyStopping, StopAtNaN


def watched(state=None, **options):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callback = EarlyStopping(EarlyStoppingOptions(**options))
    callback.set_model(model)
    callback.on_train_begin()
    if state is not None:
        callback.set_state(state)
    return callback, model


def epochs(callback, model, values, start=0, key="val_loss"):
    for epoch, value in enumerate(values, start):
        model.layers[0].bias.assign([float(epoch)])
        callback.on_epoch_end(epoch, {key: value})


def test_stops_after_its_patience_and_restores_the_best():
    callback, model = watched(patience=2)
    epochs(callback, model, [3.0, 1.0, 2.0])
    assert not model.stop_training
    epochs(callback, model, [2.0], start=3)
    assert model.stop_training
    callback.on_train_end()
    assert model.layers[0].bias.numpy().tolist() == [1.0]


def test_more_accuracy_is_better():
    callback, model = watched(monitor="val_accuracy", patience=None)
    epochs(callback, model, [0.5, 0.9, 0.7, 0.6, 0.5], key="val_accuracy")
    assert not model.stop_training
    callback.on_train_end()
    assert model.layers[0].bias.numpy().tolist() == [1.0]


def test_a_small_change_is_none():
    callback, model = watched(patience=1, minimum_change=0.1)
    epochs(callback, model, [1.0, 0.95])
    assert model.stop_training


def test_state_comes_back():
    first, model = watched(patience=2)
    epochs(first, model, [1.0, 2.0])
    second, model = watched(first.get_state(), patience=2)
    epochs(second, model, [2.0], start=2)
    assert model.stop_training
    second.on_train_end()
    assert model.layers[0].bias.numpy().tolist() == [0.0]


def test_an_unknown_key_is_named():
    callback, _ = watched(monitor="val_acc")
    with pytest.raises(RecipeError, match="Did you mean 'val_accuracy'"):
        callback.on_epoch_end(0, {"val_accuracy": 1.0, "loss": 1.0})


@pytest.mark.parametrize(
    ("loss", "word"), [(np.nan, "not a number"), (np.inf, "infinite")]
)
def test_a_loss_that_is_no_number(loss, word):
    callback = StopAtNaN("student", 0.5)
    callback.on_epoch_begin(2)
    callback.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(KerakdError) as error:
        callback.on_train_batch_end(7, {"loss": loss})
    for part in ("'student'", "epoch 3", "step 8", word, "0.5"):
        assert part in str(error.value)
