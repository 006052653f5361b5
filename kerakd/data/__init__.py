"""The data room: folder -> table of samples -> splits -> batches.

Names are loaded when first used: the table level loads no TensorFlow, the pipeline
does.
"""

import importlib

# Not lazy: these modules and their functions share a name. Had the module been imported
# by someone else first, Python would have bound `kerakd.data.decode` to the module.
from kerakd.data.audit import audit
from kerakd.data.decode import decode, resize

_NAMES = {
    "Samples": "kerakd.data.samples",
    "load_images": "kerakd.data.images",
    "load_volumes": "kerakd.data.volumes.table",
    "split": "kerakd.data.splits",
    "folds": "kerakd.data.splits",
    "save_splits": "kerakd.data.split_files",
    "load_splits": "kerakd.data.split_files",
    "Audit": "kerakd.data.audit.result",
    "without_copies": "kerakd.data.audit.clusters",
    "resolve": "kerakd.data.sources",
    "batches": "kerakd.data.pipeline",
    "ImageBatches": "kerakd.data.pipeline",
    "Augmentation": "kerakd.data.augment",
    "write_phantom": "kerakd.data.phantom",
}

__all__ = ["audit", "decode", "resize", "volumes", *_NAMES]


def __getattr__(name: str):
    if name == "volumes":
        return importlib.import_module("kerakd.data.volumes")
    if name not in _NAMES:
        raise AttributeError(f"module 'kerakd.data' has no attribute {name!r}")
    value = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
