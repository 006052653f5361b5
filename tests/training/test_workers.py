"""Two processes on this machine train together; one is killed, both go on."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.backends import ROOT
from tests.training import workers

pytestmark = pytest.mark.slow


def ports():
    """Two ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return found


def together(out, *more):
    """Run both to their end; `(exit code, what it said)` of each."""
    both = ports()
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.training.workers",
                str(out),
                str(index),
                *both,
                *(more if index == 1 else ()),
            ],
            cwd=ROOT,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in (0, 1)
    ]
    said = [one.communicate(timeout=900)[1] for one in started]
    return [(one.returncode, text) for one, text in zip(started, said, strict=True)]


def test_two_workers_train_as_one_and_go_on_after_one_was_killed(tmp_path):
    history, student = workers.train(tmp_path / "alone")
    out = tmp_path / "both"
    out.mkdir()
    (left, said), (killed, _) = together(out, "kill")
    assert killed < 0
    # It ends, rather than to wait for a partner that never comes.
    assert left != 0
    assert "start all of them again with resume=True" in said or left < 0
    for code, text in together(out):
        assert code == 0, text[-3000:]
    for index in (0, 1):
        with np.load(out / f"found_{index}.npz") as found:
            for key in ("loss", "student_loss", "accuracy", "val_loss"):
                np.testing.assert_allclose(
                    found[f"history/{key}"], history[key], rtol=1e-5, atol=1e-5
                )
            for i, weight in enumerate(student.get_weights()):
                np.testing.assert_allclose(found[f"weights/{i}"], weight, atol=1e-5)
