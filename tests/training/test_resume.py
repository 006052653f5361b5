import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerakd
from kerakd.errors import KerakdError, ModelError, RecipeError

from . import killed


class Interrupt(Exception):
    """Stands for whatever ends a process."""


class InterruptAt(killed.KillAt):
    def on_train_batch_end(self, batch, logs=None):
        if (self._epoch, batch) == self._at:
            raise Interrupt


def fit(model, data, **options):
    options = {"validation": data, "epochs": 4, "batch_size": 4, "verbose": 0} | options
    return kerakd.train_teacher(model, data, **options)


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_a_killed_process_leaves_no_trace(tmp_path, same, kills):
    """Real processes, killed at random points, perhaps while they write a file."""
    pictures, run = tmp_path / "pictures", tmp_path / "run"
    killed.write_pictures(pictures)
    root = Path(kerakd.__file__).parents[1]
    random, codes = np.random.default_rng(kills), []
    for _ in range(kills):
        # Two steps between two checkpoints: some of the processes get nowhere.
        steps, seconds = random.integers(1, 6), random.uniform(0, 0.02)
        ended = subprocess.run(
            [sys.executable, killed.__file__, pictures, run, str(steps), str(seconds)],
            env=os.environ | {"PYTHONPATH": str(root)},
            check=False,
            capture_output=True,
        )
        codes.append(ended.returncode)
        assert codes[-1] in (-signal.SIGKILL, 0), ended.stderr.decode()[-2000:]
    assert codes[0] == -signal.SIGKILL
    # How often checkpoints are written may change.
    student, history = killed.train(pictures, run, resume=True, checkpoint_steps=4)
    expected, whole = killed.train(pictures, tmp_path / "whole")
    assert same(student, expected)
    assert same(history.model, whole.model)
    assert history.history == whole.history
    tables = [
        (folder / "history_student.csv").read_text().splitlines()
        for folder in (run, tmp_path / "whole")
    ]
    assert len(tables[0]) == len(tables[1]) == 4


@pytest.mark.parametrize(
    ("at", "options"),
    [
        # Between two epochs.
        ((2, 0), {"schedule": "plateau", "plateau_patience": 1, "learning_rate": 0.1}),
        # In the middle of an epoch, of groups of steps and of an accumulation.
        (
            (1, 3),
            {
                "checkpoint_steps": 1,
                "steps_per_execution": 2,
                "gradient_accumulation": 4,
                "label_smoothing": 0.1,
            },
        ),
        (
            (3, 5),
            {"early_stopping": 3, "learning_rate": 0.1, "mixed_precision": "bfloat16"},
        ),
    ],
)
def test_where_it_stopped_does_not_show(net, arrays, tmp_path, same, at, options):
    expected = net()
    whole = fit(expected, arrays, **options)
    with pytest.raises(Interrupt):
        fit(net(), arrays, out=tmp_path, callbacks=[InterruptAt(*at)], **options)
    model = net()
    history = fit(model, arrays, out=tmp_path, resume=True, **options)
    assert same(model, expected)
    assert history.history == whole.history
    assert history.epoch == whole.epoch


def test_a_seeded_dataset_goes_on_where_it_was(net, arrays, tmp_path, same):
    def train(**options):
        model, dataset = net(), tf.data.Dataset.from_tensor_slices(arrays)
        dataset = dataset.shuffle(22, seed=1).batch(4)
        fit(model, dataset, validation=None, epochs=2, **options)
        return model

    expected = train()
    options = {"out": tmp_path, "checkpoint_steps": 2}
    with pytest.raises(Interrupt):
        train(callbacks=[InterruptAt(1, 3)], **options)
    assert same(train(resume=True, **options), expected)


def test_a_callback_may_keep_a_state(net, arrays, tmp_path):
    class Counter(keras.callbacks.Callback):
        count, seen = 0, None

        def on_epoch_end(self, epoch, logs=None):
            self.count += 1
            self.seen = [np.full(2, epoch)]

        def get_state(self):
            return {"count": self.count, "seen": self.seen}

        def set_state(self, state):
            self.count, self.seen = state["count"], state["seen"]

    counters = [Counter(), Counter()]
    options = {"out": tmp_path, "epochs": 2}
    with pytest.raises(Interrupt):
        fit(net(), arrays, callbacks=[counters[0], InterruptAt(1, 0)], **options)
    callbacks = [counters[1], InterruptAt(9, 0)]
    fit(net(), arrays, callbacks=callbacks, resume=True, **options)
    assert counters[1].count == 2
    assert counters[1].seen[0].tolist() == [1, 1]


def test_a_finished_training_is_not_repeated(net, arrays, tmp_path, same):
    class Never(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            raise AssertionError("It trains again.")

    expected = net()
    options = {"out": tmp_path, "epochs": 2, "early_stopping": 1}
    whole = fit(expected, arrays, **options)
    model = net(seed=5)
    history = fit(model, arrays, resume=True, callbacks=[Never()], **options)
    assert same(model, expected)
    assert history.history == whole.history
    (state,) = (tmp_path / "checkpoints/teacher").glob("*.npz")
    with np.load(state) as stored:
        assert not [name for name in stored.files if name.startswith("callback")]


def test_stopped_but_not_finished_is_not_trained_further(net, arrays, tmp_path, same):
    class BreakAtEnd(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            raise Interrupt

    x, y = arrays
    options = {
        "validation": (x, (y + 1) % 3),
        "epochs": 20,
        "batch_size": 8,
        "learning_rate": 0.05,
        "early_stopping": 1,
        "verbose": 0,
    }
    expected, model = net(), net()
    whole = kerakd.train_teacher(expected, arrays, **options)
    assert len(whole.epoch) < 20
    with pytest.raises(Interrupt):
        kerakd.train_teacher(
            net(), arrays, out=tmp_path, callbacks=[BreakAtEnd()], **options
        )
    history = kerakd.train_teacher(model, arrays, out=tmp_path, resume=True, **options)
    assert history.epoch == whole.epoch
    assert same(model, expected)


@pytest.fixture
def begun(net, arrays, tmp_path):
    """A folder with a training of one epoch out of four."""
    stop = [InterruptAt(1, 0)]
    with pytest.raises(Interrupt):
        fit(net(), arrays, out=tmp_path, callbacks=stop, validation=None)
    return tmp_path


def test_another_training_is_not_resumed(net, arrays, begun):
    x, y = arrays
    teacher = net(seed=1)

    def student(**options):
        kerakd.train_student(
            net(), arrays, teacher=teacher, out=begun, resume=True, name="teacher",
            epochs=4, batch_size=4, verbose=0, **options,
        )  # fmt: skip

    def teach(data=arrays, **options):
        fit(net(), data, validation=None, **options)

    attempts = [
        (lambda **o: teach(learning_rate=0.5, **o),
         "options `learning_rate` was 0.001 and is now 0.5"),
        (lambda **o: teach(epochs=5, **o), "`epochs` was 4 and is now 5"),
        (lambda **o: teach((x, y[::-1]), **o), "training data `contents`"),
        (lambda **o: teach(class_weight="balanced", **o), "`class_weight` was none"),
        (lambda **o: student(), "distillation"),
    ]  # fmt: skip
    for attempt, sentence in attempts:
        with pytest.raises(RecipeError) as error:
            attempt(out=begun, resume=True)
        assert sentence in str(error.value)
        assert "resume=False" in str(error.value)


def test_another_model_is_not_resumed(net, arrays, begun):
    with pytest.raises(ModelError, match="is of another model"):
        fit(net(filters=5), arrays, out=begun, resume=True, validation=None)


def test_a_damaged_checkpoint_is_said_to_be(net, arrays, begun):
    (state,) = (begun / "checkpoints/teacher").glob("*.npz")
    state.write_bytes(state.read_bytes()[:500])
    with pytest.raises(KerakdError, match="is damaged"):
        fit(net(), arrays, out=begun, resume=True, validation=None)


def test_without_resume_it_starts_anew(net, arrays, begun, same):
    expected, model = net(), net()
    fit(expected, arrays, epochs=1, validation=None)
    fit(model, arrays, epochs=1, out=begun, validation=None)
    assert same(model, expected)
    assert len((begun / "history_teacher.csv").read_text().splitlines()) == 2


def test_another_teacher_is_not_resumed(net, arrays, tmp_path):
    def student(seed, **options):
        kerakd.train_student(
            net(), arrays, teacher=net(seed=seed), out=tmp_path, epochs=2,
            batch_size=8, verbose=0, **options,
        )  # fmt: skip

    with pytest.raises(Interrupt):
        student(1, callbacks=[InterruptAt(1, 0)])
    with pytest.raises(RecipeError, match="`teacher weights` was"):
        student(2, resume=True)
