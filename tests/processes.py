"""Workers of `tf.distribute` as processes of this machine, for tests."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from tests.backends import ROOT


def start_workers(
    count: int, *arguments: object, each: Sequence[Sequence] | None = None
) -> list[subprocess.Popen]:
    """Start Python as `count` workers of one another, from the root of the project.

    Args:
        count: How many.
        arguments: Of every one.
        each: More arguments, by number.
    """
    where = _addresses(count)
    found = []
    for index in range(count):
        more = each[index] if each else ()
        task = {"type": "worker", "index": index}
        environment = {
            **os.environ,
            "TF_CONFIG": json.dumps({"cluster": {"worker": where}, "task": task}),
            "KERAS_BACKEND": "tensorflow",
            "CUDA_VISIBLE_DEVICES": "-1",
            "PYTHONPATH": str(ROOT),
        }
        found.append(
            subprocess.Popen(
                [sys.executable, *map(str, (*arguments, *more))],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return found


def ended(
    processes: Sequence[subprocess.Popen], seconds: float = 600
) -> tuple[list[int], list[str]]:
    """Wait for processes, and end those that take too long.

    Returns:
        Their exit codes, and what they printed.
    """
    try:
        told = [one.communicate(timeout=seconds) for one in processes]
    finally:
        for one in processes:
            if one.poll() is None:
                one.kill()
    return [one.returncode for one in processes], ["".join(pair) for pair in told]


def _addresses(count: int) -> list[str]:
    """Addresses that nobody listens at."""
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            one = stack.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            found.append(f"127.0.0.1:{one.getsockname()[1]}")
        return found
