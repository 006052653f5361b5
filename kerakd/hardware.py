"""What this machine is, and what it cannot compute fast."""

import functools
import os
import platform
import re
import warnings
from pathlib import Path

# How much longer a step of a U-Net took in TensorFlow on a processor (AVX2) that has to
# make the dtype's arithmetic of float32's, measured; see benchmarks/README.md.
_SLOWER = {"bfloat16": "nine", "float16": "four"}
_NATIVE = {
    "bfloat16": {"avx512_bf16", "amx_bf16", "bf16"},
    "float16": {"avx512_fp16", "amx_fp16", "fphp"},
}


@functools.cache
def processor() -> str:
    """What the processor is called."""
    found = re.search(r"model name\s*:\s*(.+)", _cpuinfo())
    return found[1].strip() if found else platform.processor() or platform.machine()


@functools.cache
def instructions() -> frozenset[str]:
    """Names of its instruction sets as Linux has them; empty where nothing tells."""
    found = re.search(r"(?:flags|Features)\s*:\s*(.+)", _cpuinfo())
    return frozenset(found[1].split() if found else ())


def computes(dtype: str) -> bool:
    """Whether the processor multiplies `"bfloat16"` or `"float16"` itself."""
    return not _NATIVE[dtype].isdisjoint(instructions())


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus() -> list[str]:
    """What the accelerators are called that the Keras backend sees."""
    import keras

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


def warn_if_slow(dtype: str | None, option: str) -> None:
    """Warn of a dtype that makes TensorFlow slower here, where it should be faster.

    Args:
        dtype: What is asked for; `None` and `"float32"` are never slow.
        option: What the user sets to ask for it.
    """
    import keras

    if dtype not in _NATIVE or keras.backend.backend() != "tensorflow":
        return
    if not instructions() or computes(dtype) or gpus():
        return
    warnings.warn(
        f"{option}={dtype!r} is slow on this processor ({processor()}), which has no "
        f"arithmetic for it: some {_SLOWER[dtype]} times as long as float32. Leave "
        f"{option} out here.",
        stacklevel=3,
    )


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # another system than Linux
        return ""
