"""Processes that train one network together, on this machine's loopback."""

import json
import signal
import sys
import time

import numpy as np
import pytest

from kerakd.errors import RecipeError
from kerakd.training import on_devices, workers
from tests.backends import run_python
from tests.processes import ended, start_workers
from tests.training import killed


def finish(processes):
    codes, told = ended(processes)
    assert not any(codes), "\n".join(text[-4000:] for text in told)
    return told


def opened(path):
    with np.load(path) as stored:
        return dict(stored)


@pytest.mark.slow
def test_two_workers_give_the_losses_metrics_and_weights_of_one_process(tmp_path):
    command = ("-m", "tests.training.working", "losses", tmp_path)
    finish(start_workers(2, *command))
    run_python(sys.executable, *command, backend="tensorflow")
    alone = opened(tmp_path / "alone.npz")
    for number in (0, 1):
        found = opened(tmp_path / f"{number}.npz")
        assert set(found) == set(alone)
        for key, values in found.items():
            allowed = 2e-3 if key.startswith("float16") else 1e-5
            np.testing.assert_allclose(
                values, alone[key], rtol=allowed, atol=allowed, err_msg=key
            )
    for key in ("loss", "hint", "accuracy", "val_loss", "val_accuracy"):
        assert f"weighted/history/{key}" in alone
    first, second = alone["plain/history/loss"]
    assert second < first


@pytest.mark.slow
def test_a_lost_worker_ends_the_others_and_all_go_on_where_they_were(tmp_path):
    killed.write_pictures(tmp_path / "pictures")
    command = ("-m", "tests.training.working", "resumed", tmp_path)
    finish(start_workers(2, *command, tmp_path / "whole", each=[(-1, -1)] * 2))

    never, out = (-1, -1), tmp_path / "run"
    for first, second in ((never, (0, 3)), ((2, 1), never)):
        dies = 1 if first == never else 0
        processes = start_workers(2, *command, out, each=[first, second])
        assert processes[dies].wait(400) == -signal.SIGKILL
        since = time.monotonic()
        codes, told = ended(processes, 60)
        assert codes[1 - dies] == 2, told[1 - dies][-3000:]
        # Generous: what is tested is that it ends by itself.
        assert time.monotonic() - since < 60
        sentence = told[1 - dies].strip().splitlines()[-1]
        assert sentence.startswith("error: A worker was lost")
        assert "--resume" in sentence
        assert "Traceback" not in told[1 - dies]
    finish(start_workers(2, *command, out, each=[never] * 2))

    whole = [opened(tmp_path / f"whole-{number}.npz") for number in (0, 1)]
    again = [opened(tmp_path / f"run-{number}.npz") for number in (0, 1)]
    for found in (whole[1], *again):
        assert set(found) == set(whole[0])
        for key, values in whole[0].items():
            if key.startswith("history") and "val" not in key:
                # Sums of the workers that a checkpoint holds as one.
                np.testing.assert_allclose(found[key], values, rtol=1e-5, err_msg=key)
            else:
                np.testing.assert_array_equal(found[key], values, err_msg=key)
    # The chief alone keeps files.
    assert {path.name for path in out.iterdir()} == {
        "checkpoints",
        "history_student.csv",
    }


@pytest.mark.slow
@pytest.mark.parametrize("what", ["data", "network"])
def test_workers_that_were_given_different_things_do_not_train(tmp_path, what):
    command = ("-m", "tests.training.working", "stranger", tmp_path, what)
    codes, told = ended(start_workers(2, *command))
    assert codes == [2, 2]
    for text in told:
        assert "Worker 1 was given other data, networks or options" in text


def cluster_of(monkeypatch, value):
    text = value if isinstance(value, str) else json.dumps(value)
    monkeypatch.setenv("TF_CONFIG", text)
    return workers.read_cluster()


def test_who_there_is_stands_in_the_environment(monkeypatch):
    where = {"worker": ["a:1", "b:2"]}
    task = {"type": "worker", "index": 1}
    found = cluster_of(monkeypatch, {"cluster": where, "task": task})
    assert (found.count, found.index, found.is_chief) == (2, 1, False)
    where["chief"] = ["c:3"]
    found = cluster_of(monkeypatch, {"cluster": where, "task": task})
    assert (found.addresses, found.index) == (("c:3", "a:1", "b:2"), 2)
    task = {"type": "chief", "index": 0}
    assert cluster_of(monkeypatch, {"cluster": where, "task": task}).is_chief


PAIR = {"worker": ["a:1", "b:2"]}
FIRST = {"type": "worker", "index": 0}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("{", "it is no JSON"),
        ("[]", "must hold the objects `cluster` and `task`"),
        ({"cluster": PAIR}, "must hold the objects `cluster` and `task`"),
        ({"cluster": {}, "task": FIRST}, "names nobody"),
        ({"cluster": {**PAIR, "ps": ["c:3"]}, "task": FIRST}, "names 'ps'"),
        ({"cluster": {"worker": "a:1"}, "task": FIRST}, "a list of 'host:port'"),
        ({"cluster": {"worker": ["a"]}, "task": FIRST}, "a list of 'host:port'"),
        ({"cluster": PAIR, "task": {"type": "chief", "index": 0}}, "type 'chief'"),
        ({"cluster": PAIR, "task": {"type": "worker", "index": 2}}, "index 2, and"),
        ({"cluster": PAIR, "task": {"type": "worker"}}, "index None"),
        ({"cluster": {"worker": ["a:1"] * 2}, "task": FIRST}, "each address once"),
    ],
)
def test_a_malformed_tf_config_is_refused_in_a_sentence(monkeypatch, value, reason):
    with pytest.raises(RecipeError, match="TF_CONFIG is malformed") as caught:
        cluster_of(monkeypatch, value)
    assert reason in str(caught.value)
    assert '"index": 0}' in str(caught.value)


def test_workers_need_a_tf_config_and_no_number_of_devices(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with (
        pytest.raises(RecipeError, match="TF_CONFIG, which is not set"),
        on_devices(strategy="multi_worker"),
    ):
        pass
    with (
        pytest.raises(RecipeError, match="stands in TF_CONFIG"),
        on_devices(2, "multi_worker"),
    ):
        pass
