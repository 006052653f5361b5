"""Brain-like pictures made by mathematics, for tests and for people without data.

A phantom is a made-up head with or without a made-up tumour. It looks like MRI; it is
not, and no result on it says anything about patients.
"""

from kerakd.data.phantom.patient import PLANES, Patient, phantom_patient
from kerakd.data.phantom.signal import MODALITIES
from kerakd.data.phantom.slices import phantom_slices
from kerakd.data.phantom.tumours import KINDS
from kerakd.data.phantom.volumes import phantom_volume, write_phantom_volumes
from kerakd.data.phantom.write import PATIENT_PATTERN, write_phantom

__all__ = [
    "KINDS",
    "MODALITIES",
    "PATIENT_PATTERN",
    "PLANES",
    "Patient",
    "phantom_patient",
    "phantom_slices",
    "phantom_volume",
    "write_phantom",
    "write_phantom_volumes",
]
