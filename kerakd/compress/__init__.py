"""The compress room: from a Keras model to a checked file for LiteRT.

Names are loaded when first used: `LiteRTModel`, `benchmark` and `read_metadata` need no
TensorFlow, `quantize` does.
"""

import importlib

_NAMES = {
    "quantize": "kerakd.compress.convert",
    "Export": "kerakd.compress.writing",
    "LiteRTModel": "kerakd.compress.interpreter",
    "verify": "kerakd.compress.agreement",
    "benchmark": "kerakd.compress.timing",
    "read_metadata": "kerakd.compress.metadata",
    "to_tf_keras": "kerakd.compress.bridge",
    "from_tf_keras": "kerakd.compress.bridge",
    "representative": "kerakd.compress.calibration",
    "interleaved": "kerakd.compress.timing",
    "quantize_aware": "kerakd.compress.aware.quantize_aware",
    "prune": "kerakd.compress.aware.prune",
    "cluster": "kerakd.compress.aware.cluster",
    "Compressed": "kerakd.compress.aware.result",
}

# What is done with TensorFlow itself; the others read files with LiteRT.
_OF_TENSORFLOW = {
    "quantize",
    "to_tf_keras",
    "from_tf_keras",
    "quantize_aware",
    "prune",
    "cluster",
}

__all__ = [*_NAMES]


def __getattr__(name: str):
    if name not in _NAMES:
        raise AttributeError(f"module 'kerakd.compress' has no attribute {name!r}")
    if name in _OF_TENSORFLOW:
        from kerakd.compress.needs import require_tensorflow

        require_tensorflow()
    value = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
