import subprocess
import sys

import pytest

from kerakd.errors import RecipeError
from kerakd.training.options import EarlyStoppingOptions, TrainingOptions


def test_options_survive_their_config():
    options = TrainingOptions(
        epochs=3, early_stopping={"monitor": "val_accuracy"}, clip_norm=1
    )
    assert TrainingOptions.from_config(options.get_config()) == options
    assert options.clip_norm == 1.0
    assert isinstance(options.early_stopping, EarlyStoppingOptions)


def test_defaults_come_from_nothing():
    assert TrainingOptions.from_config(None) == TrainingOptions()


def test_replace_keeps_the_rest():
    options = TrainingOptions(epochs=3, seed=7).replace(epochs=5)
    assert (options.epochs, options.seed) == (5, 7)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, None),
        (False, None),
        (True, EarlyStoppingOptions()),
        (4, EarlyStoppingOptions(patience=4)),
        ({"patience": None}, EarlyStoppingOptions(patience=None)),
    ],
)
def test_forms_of_early_stopping(given, meant):
    assert TrainingOptions(early_stopping=given).early_stopping == meant


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"learning_rte": 1}, "'learning_rte'. Did you mean 'learning_rate'"),
        ({"early_stopping": {"patiens": 1}}, "Did you mean 'patience'?"),
        ({"early_stopping": "val_loss"}, "dictionary"),
        ({"early_stopping": 0}, "`early_stopping.patience` must be at least 1"),
        (
            {"early_stopping": {"patience": None, "restore_best": False}},
            "does nothing",
        ),
        ({"epochs": 0}, "`epochs` must be at least 1; got 0"),
        ({"epochs": 2.5}, "`epochs` must be a whole number; got 2.5"),
        ({"epochs": True}, "`epochs` must be a whole number; got True"),
        ({"learning_rate": "1e-3"}, "in YAML write 1.0e-3"),
        ({"learning_rate": 0}, "greater than 0; got 0"),
        ({"learning_rate": float("nan")}, "greater than 0; got nan"),
        ({"label_smoothing": 1.0}, "at least 0 and less than 1; got 1"),
        ({"momentum": -0.1}, "at least 0 and less than 1; got -0.1"),
        ({"optimizer": "adamW"}, "Did you mean 'adam' or 'adamw'?"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'?"),
        ({"mixed_precision": "float8"}, "Did you mean 'float16'"),
        ({"jit_compile": "yes"}, "true or false or 'auto'"),
        ({"tensorboard": 1}, "true or false; got 1"),
        ({"optimizer": "adam", "weight_decay": 0.1}, "choose 'adamw'"),
        ({"warmup_epochs": 1}, "belongs to `schedule: cosine`"),
        ({"schedule": "cosine", "epochs": 2, "warmup_epochs": 2}, "must be less than"),
        ([], "`name: value` pair"),
    ],
)
def test_what_is_refused(config, sentence):
    with pytest.raises(RecipeError) as error:
        TrainingOptions.from_config(config)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_weight_decay_follows_the_optimizer():
    assert TrainingOptions(optimizer="adamw").decay == 0.01
    assert TrainingOptions(optimizer="adamw", weight_decay=0.0).decay == 0.0
    assert TrainingOptions(optimizer="sgd").decay == 0.0
    assert TrainingOptions().decay == 0.0


def test_options_load_no_tensorflow():
    code = (
        "import sys; from kerakd.training import TrainingOptions; "
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
