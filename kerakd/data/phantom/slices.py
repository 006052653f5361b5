"""Slices of many phantom patients, in memory."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kerakd.data.phantom.fields import generator
from kerakd.data.phantom.patient import PLANES, Patient, known, phantom_patient
from kerakd.data.phantom.signal import MODALITIES
from kerakd.data.phantom.tumours import KINDS, TUMOUR_CORE
from kerakd.errors import DataError

# Raise when the same seed gives other pictures than before.
VERSION = 1

# A slice of a tumour class shows at least this much tumour, without edema, in mm^2.
_LEAST_AREA = 60.0


@dataclass(frozen=True)
class PhantomSlice:
    """One picture: uint8 `(size, size)`, its mask, and where it was taken."""

    image: np.ndarray
    mask: np.ndarray
    position: float


@dataclass(frozen=True)
class PatientSlices:
    """All pictures of one patient."""

    name: str
    kind: str
    modality: str
    plane: str
    slices: tuple[PhantomSlice, ...]


def patient_name(number: int) -> str:
    """`"p0012"` for 12."""
    return f"p{number:04d}"


def draw_slices(
    number: int,
    *,
    count: int,
    size: int,
    seed: int,
    modality: str,
    planes: Sequence[str],
) -> PatientSlices:
    """The pictures of one patient; the patient's number decides the class.

    Args:
        number: The patient's number. Classes take turns.
        count: Pictures of this patient.
        size: Height and width in pixels.
        seed: Any integer.
        modality: One of the modalities, or `"mixed"`: one drawn for the patient.
        planes: One of these is drawn for the patient.

    Returns:
        The pictures, from the lowest to the highest position.
    """
    kind = KINDS[number % len(KINDS)]
    patient = phantom_patient(seed, kind, number)
    rng = generator(seed, number, "protocol")
    protocol = MODALITIES[rng.integers(len(MODALITIES))]
    plane = planes[rng.integers(len(planes))]
    if modality != "mixed":
        protocol = modality
    taken = tuple(
        _take(patient, position, size, protocol, plane)
        for position in patient.positions(count, plane)
    )
    return PatientSlices(patient_name(number), kind, protocol, plane, taken)


def _take(patient: Patient, position: float, size: int, modality: str, plane: str):
    """A slice, moved toward the tumour's middle until it shows enough of it."""
    middle = patient.middle(plane)
    while True:
        image, mask = patient.slice(position, size=size, modality=modality, plane=plane)
        shown = np.isin(mask, TUMOUR_CORE).sum() * (patient.view / size) ** 2
        if not patient.tumour or shown >= _LEAST_AREA or position == middle:
            return PhantomSlice(image, mask, position)
        nearer = middle + 0.6 * (position - middle)
        position = nearer if abs(nearer - middle) > 0.5 else middle


def draw_patients(
    numbers: Sequence[int], workers: int | None = None, **options
) -> Iterator[PatientSlices]:
    """`draw_slices` of many patients, in order, on several threads.

    Args:
        numbers: The patients' numbers.
        workers: Threads; by default one per core, at most 8.
        **options: Those of `draw_slices`.

    Yields:
        The pictures of each patient; the same whatever the number of threads.
    """
    workers = workers or min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(lambda n: draw_slices(n, **options), numbers)


def check_options(
    *, size: int, seed: int, modality: str, planes: Sequence[str], **counts: int
) -> None:
    """Refuse options that no phantom can be drawn with.

    Raises:
        DataError: With the option's name and what it may be.
    """
    for name, value in {"size": size, "seed": seed, **counts}.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise DataError(f"{name} must be a whole number, not {value!r}.")
    for name, value in counts.items():
        if value < 1:
            raise DataError(f"{name} must be at least 1, not {value}.")
    if not 32 <= size <= 1024:
        raise DataError(f"size must be from 32 to 1024 pixels, not {size}.")
    known("modality", modality, (*MODALITIES, "mixed"))
    if isinstance(planes, str) or not planes:
        raise DataError(f"planes must be a list such as ['axial'], not {planes!r}.")
    for plane in planes:
        known("plane", plane, PLANES)


def phantom_slices(
    count: int,
    *,
    size: int = 128,
    seed: int = 0,
    modality: str = "t1ce",
    planes: Sequence[str] = ("axial",),
    slices_per_patient: int = 4,
) -> dict[str, np.ndarray]:
    """Draw phantom slices into memory, the classes in equal parts.

    Args:
        count: Number of slices.
        size: Height and width in pixels.
        seed: Any integer; the same seed gives the same slices.
        modality: `"t1"`, `"t1ce"`, `"t2"`, `"flair"`, or `"mixed"` (drawn per patient).
        planes: Planes to draw from, one per patient: `"axial"`, `"coronal"`,
            `"sagittal"`.
        slices_per_patient: Slices of each patient.

    Returns:
        A dict of arrays: `images` uint8 `(count, size, size)`; `labels` int32
        `(count,)`, index into `class_names`; `class_names`; `patients`, names such as
        `"p0012"`; `masks` uint8 like `images`, with 0 none, 1 necrotic core, 2 edema,
        4 enhancing tumour; `modalities` and `planes`, names.

    Raises:
        DataError: An argument is out of range.

    Example:

    ```python
    slices = kerakd.data.phantom.phantom_slices(64, size=64)
    images, labels = slices["images"][..., None], slices["labels"]
    ```
    """
    check_options(
        size=size,
        seed=seed,
        modality=modality,
        planes=planes,
        count=count,
        slices_per_patient=slices_per_patient,
    )
    patients = -(-count // slices_per_patient)
    drawn = draw_patients(
        range(patients),
        count=slices_per_patient,
        size=size,
        seed=seed,
        modality=modality,
        planes=planes,
    )
    rows = [(p, s) for p in drawn for s in p.slices][:count]
    return {
        "images": np.stack([s.image for _, s in rows]),
        "labels": np.array([KINDS.index(p.kind) for p, _ in rows], np.int32),
        "class_names": np.array(KINDS),
        "patients": np.array([p.name for p, _ in rows]),
        "masks": np.stack([s.mask for _, s in rows]),
        "modalities": np.array([p.modality for p, _ in rows]),
        "planes": np.array([p.plane for p, _ in rows]),
    }
