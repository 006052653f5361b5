"""Volumes: folders of cases -> checked cases -> slices with a patient each -> batches.

The table level needs nibabel and NumPy; only the batches load TensorFlow.
"""

import importlib

_NAMES = {
    "Case": "kerakd.data.volumes.cases",
    "CaseError": "kerakd.data.volumes.cases",
    "CaseVolumes": "kerakd.data.volumes.reading",
    "LabelScheme": "kerakd.data.volumes.schemes",
    "REGIONS": "kerakd.data.volumes.schemes",
    "SCHEMES": "kerakd.data.volumes.schemes",
    "SliceBatches": "kerakd.data.volumes.batches",
    "SliceStore": "kerakd.data.volumes.store",
    "TARGETS": "kerakd.data.volumes.schemes",
    "Volumes": "kerakd.data.volumes.table",
    "find_cases": "kerakd.data.volumes.layouts",
    "label_scheme": "kerakd.data.volumes.schemes",
    "load_volumes": "kerakd.data.volumes.table",
    "normalise": "kerakd.data.volumes.normalising",
    "read_case": "kerakd.data.volumes.reading",
    "to_slices": "kerakd.data.volumes.slicing",
    "write_mask": "kerakd.data.volumes.writing",
}

__all__ = sorted(_NAMES)


def __getattr__(name: str):
    if name not in _NAMES:
        raise AttributeError(f"module 'kerakd.data.volumes' has no attribute {name!r}")
    value = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__
