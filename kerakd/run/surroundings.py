"""What a run ran on: versions and machine, for its metrics."""

import contextlib
import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

import kerakd

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
        "processor": _processor(),
        "cores": _cores(),
        "backend": keras.backend.backend(),
        "gpus": _gpus(),
    }


def _gpus() -> list[str]:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        details = tf.config.experimental.get_device_details
        found = tf.config.list_physical_devices("GPU")
        return [details(gpu).get("device_name", gpu.name) for gpu in found]
    if backend == "jax":
        import jax

        return [d.device_kind for d in jax.devices() if d.platform != "cpu"]
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or "unknown"
