"""What a run ran on: versions and machine, for its metrics."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import kerakd

_PACKAGES = ("tensorflow", "keras", "numpy", "ai-edge-litert", "scikit-learn", "pillow")


def versions() -> dict[str, str]:
    """Versions of Python, kerakd and the packages that figures depend on."""
    return {
        "kerakd": kerakd.__version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def machine() -> dict[str, Any]:
    """Operating system, processor and accelerators, as far as they can be told."""
    import tensorflow as tf

    devices = [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": _cores(),
        "gpus": devices,
    }


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
