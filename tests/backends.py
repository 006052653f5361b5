"""An interpreter that has JAX or PyTorch, for tests in processes of their own."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_ASK = "import importlib, sys; [importlib.import_module(n) for n in sys.argv[1:]]"


@cache
def interpreter(*packages: str) -> str:
    """A Python that has these packages: that of `make test-all`, or this one.

    Skips the test, saying so, where neither has them.
    """
    given = os.environ.get("KERAKD_BACKENDS_PYTHON")
    known = [given, str(ROOT / ".venv-backends" / "bin" / "python"), sys.executable]
    for python in known:
        if python and Path(python).is_file():
            asked = [python, "-c", _ASK, *packages]
            done = subprocess.run(asked, check=False, capture_output=True)
            if done.returncode == 0:
                return python
    pytest.skip(
        f"{', '.join(packages)} not installed; `make test-all` installs it into "
        ".venv-backends"
    )


def run_python(python: str, *arguments: str, backend: str, **variables: str) -> str:
    """Run Python with a Keras backend, from the root of the project.

    Returns:
        What it printed.
    """
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "-1",
        **variables,
    }
    done = subprocess.run(
        [python, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    return done.stdout
