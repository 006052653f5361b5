"""What measures the speed of kerakd: the commands below `kerakd benchmark`.

Names are loaded when first used, since measuring needs TensorFlow.
"""

import importlib

_NAMES = {
    "benchmark_audit": "kerakd.benchmark.audit",
    "benchmark_aware": "kerakd.benchmark.aware",
    "benchmark_cache": "kerakd.benchmark.cache",
    "benchmark_checkpoint": "kerakd.benchmark.checkpoint",
    "benchmark_explain": "kerakd.benchmark.explaining",
    "benchmark_int8": "kerakd.benchmark.int8",
    "benchmark_memory": "kerakd.benchmark.memory",
    "benchmark_methods": "kerakd.benchmark.methods",
    "benchmark_models": "kerakd.benchmark.model",
    "benchmark_pipeline": "kerakd.benchmark.pipeline",
    "benchmark_profile": "kerakd.benchmark.profile",
    "benchmark_step": "kerakd.benchmark.step",
}

__all__ = list(_NAMES)


def __getattr__(name: str):
    if name not in _NAMES:
        raise AttributeError(f"module 'kerakd.benchmark' has no attribute {name!r}")
    value = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
