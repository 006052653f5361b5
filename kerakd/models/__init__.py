"""Models that end in logits, and what can be done with a model's graph."""

import importlib

_NAMES = {
    "build": "registry",
    "names": "registry",
    "options": "registry",
    "load_model": "loading",
    "flatten": "graph",
    "taps": "graph",
    "layer_output": "graph",
    "with_logits": "logits",
    "ends_in_logits": "logits",
    "freeze_backbone": "freezing",
    "unfreeze": "freezing",
    "set_batch_norm_momentum": "batch_norm",
    "multiply_adds": "cost",
    "parameters": "cost",
}

__all__ = list(_NAMES)


def __getattr__(name: str):
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
