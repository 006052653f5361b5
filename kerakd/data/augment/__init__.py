"""Augmentation: parameters drawn apart from being applied.

`draw` makes a table of parameters, each row a pure function of (seed, view, sample id);
`apply` turns pixels by such a table with TensorFlow operations and no randomness of its
own. The same triple gives the same pixels in any batch, order or process.

Names are loaded when first used: only `apply` and `mix_labels` need TensorFlow.
"""

import importlib

_NAMES = {
    "Augmentation": "kerakd.data.augment.policy",
    "draw": "kerakd.data.augment.drawing",
    "apply": "kerakd.data.augment.applying",
    "apply_to_slices": "kerakd.data.augment.slices",
    "mix_labels": "kerakd.data.augment.mixing",
}

__all__ = list(_NAMES)


def __getattr__(name: str):
    if name not in _NAMES:
        raise AttributeError(f"module 'kerakd.data.augment' has no attribute {name!r}")
    value = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
