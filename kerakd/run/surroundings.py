"""What a run ran on: versions and machine, for its metrics."""

import contextlib
import importlib.metadata
import platform
from collections.abc import Sequence
from typing import Any

import keras

import kerakd
from kerakd import hardware

_PACKAGES = ("tensorflow", "keras", "numpy", "ai-edge-litert", "scikit-learn", "pillow")
# Told where they are installed and used.
_BACKENDS = ("jax", "torch")


def versions() -> dict[str, str]:
    """Versions of Python, kerakd and the packages that figures depend on."""
    return {
        "kerakd": kerakd.__version__,
        "python": platform.python_version(),
        **_installed(_PACKAGES),
        **_installed([name for name in _BACKENDS if name == keras.backend.backend()]),
    }


def _installed(names: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def machine() -> dict[str, Any]:
    """Operating system, processor and accelerators, as far as they can be told."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": hardware.processor(),
        "cores": hardware.cores(),
        "backend": keras.backend.backend(),
        "gpus": hardware.gpus(),
    }
