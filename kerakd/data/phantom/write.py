"""A phantom data set on disk, in the layouts that image data sets come in."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kerakd.data.phantom.fields import generator
from kerakd.data.phantom.folders import NewFolder, complete_or_new
from kerakd.data.phantom.patient import known
from kerakd.data.phantom.slices import (
    VERSION,
    PatientSlices,
    check_options,
    draw_patients,
    patient_name,
)
from kerakd.data.phantom.tumours import EDEMA, ENHANCING, KINDS, NECROTIC
from kerakd.errors import DataError

# Finds the patient in a file name: `load_images(folder, groups=PATIENT_PATTERN)`.
PATIENT_PATTERN = r"phantom-(p\d+)"

# Folder of each split.
LAYOUTS = {
    "Training/Testing": {"train": "Training", "test": "Testing"},
    "Train/Testing/Validation": {
        "train": "Train",
        "test": "Testing",
        "validation": "Validation",
    },
    "train/val/test": {"train": "train", "test": "test", "validation": "val"},
}
_MANY = 300  # pictures: below, a progress bar would only flash


def write_phantom(
    folder: str | os.PathLike,
    *,
    patients: int = 120,
    slices_per_patient: int = 6,
    size: int = 128,
    seed: int = 0,
    layout: str = "Training/Testing",
    test_fraction: float = 0.25,
    modality: str = "t1ce",
    planes: Sequence[str] = ("axial",),
    masks: bool = True,
    progress: bool | None = None,
) -> Path:
    """Write a phantom data set for classification.

    It is a folder such as

        FOLDER/Training/glioma/phantom-p0012-s03.png
        FOLDER/Testing/glioma/phantom-p0020-s00.png
        FOLDER/masks/Training/glioma/phantom-p0012-s03.png
        FOLDER/phantom.json

    A mask has the path of its picture below `masks`, which `load_images` passes over as
    it is no split. Its pixels are 0 none, 1 necrotic core, 2 edema, 4 enhancing tumour
    (BraTS 2018 to 2021), with a palette that shows them in colours. A patient's
    slices are all in one split.

    Args:
        folder: The folder to write; whole or not at all.
        patients: Number of patients, the four classes taking turns.
        slices_per_patient: Pictures of each patient; a patient with a tumour shows it
            in each.
        size: Height and width in pixels.
        seed: Any integer; the same arguments give the same pictures.
        layout: `"Training/Testing"`, `"Train/Testing/Validation"` or
            `"train/val/test"`.
        test_fraction: Part of each class's patients that goes to the test split, and
            as many to the validation split where the layout has one.
        modality: `"t1"`, `"t1ce"`, `"t2"`, `"flair"`, or `"mixed"` (drawn per patient).
        planes: Planes to draw from, one per patient: `"axial"`, `"coronal"`,
            `"sagittal"`.
        masks: Whether masks are written too.
        progress: Whether to show a progress bar; by default for more than 300 pictures
            when the output is a terminal.

    Returns:
        The folder. One that holds this very phantom already is left as it is.

    Raises:
        DataError: An argument is out of range, or the folder holds something else.
        KerakdError: The folder cannot be written.

    Example:

    ```python
    folder = kerakd.data.write_phantom("phantom", patients=80, seed=1)
    samples = kerakd.data.load_images(folder, groups=r"phantom-(p\\d+)")
    ```
    """
    check_options(
        size=size,
        seed=seed,
        modality=modality,
        planes=planes,
        patients=patients,
        slices_per_patient=slices_per_patient,
    )
    known("layout", layout, tuple(LAYOUTS))
    splits = assign_splits(patients, seed, test_fraction, tuple(LAYOUTS[layout]))
    request = {
        "phantom": "slices",
        "version": VERSION,
        "seed": int(seed),
        "patients": int(patients),
        "slices_per_patient": int(slices_per_patient),
        "size": int(size),
        "layout": layout,
        "test_fraction": float(test_fraction),
        "modality": modality,
        "planes": list(planes),
        "masks": bool(masks),
    }
    with complete_or_new(folder, request) as new:
        if new is not None:
            drawn = draw_patients(
                range(patients),
                count=slices_per_patient,
                size=size,
                seed=seed,
                modality=modality,
                planes=planes,
            )
            many = patients * slices_per_patient > _MANY
            shown = _tracked(drawn, patients, progress, many)
            _write_all(new, shown, splits, layout, masks)
    return Path(folder)


def assign_splits(
    patients: int, seed: int, test_fraction: float, names: tuple[str, ...]
) -> list[str]:
    """The split of every patient, drawn within each class.

    Args:
        patients: Number of patients; patient n has class n modulo 4.
        seed: Any integer.
        test_fraction: Part of a class that goes to each split but the first.
        names: The splits, training first.

    Returns:
        One of `names` per patient.

    Raises:
        DataError: There are too few patients for each split to have each class.
    """
    if not 0 < test_fraction < 1 / (len(names) - 1):
        raise DataError(
            f"test_fraction must be between 0 and {1 / (len(names) - 1):g} for "
            f"{len(names)} splits, not {test_fraction!r}."
        )
    if patients < len(names) * len(KINDS):
        raise DataError(
            f"{patients} patients are too few: {len(KINDS)} classes in {len(names)} "
            f"splits need at least {len(names) * len(KINDS)}."
        )
    found = [names[0]] * patients
    for kind in range(len(KINDS)):
        members = np.arange(kind, patients, len(KINDS))
        generator(seed, "splits", kind).shuffle(members)
        most = (len(members) - 1) // (len(names) - 1)
        part = min(max(1, round(test_fraction * len(members))), most)
        for k, name in enumerate(names[1:]):
            for member in members[k * part : (k + 1) * part]:
                found[member] = name
    return found


def _write_all(
    new: NewFolder,
    drawn: Iterable[PatientSlices],
    splits: list[str],
    layout: str,
    masks: bool,
) -> None:
    table, files, counts = [], 0, Counter()
    for number, patient in enumerate(drawn):
        split = splits[number]
        branch = Path(LAYOUTS[layout][split]) / patient.kind
        files += _write_patient(new.path, branch, patient, masks)
        counts[f"{split}/{patient.kind}"] += len(patient.slices)
        table.append(
            {
                "patient": patient_name(number),
                "kind": patient.kind,
                "split": split,
                "modality": patient.modality,
                "plane": patient.plane,
                "positions_mm": [round(s.position, 2) for s in patient.slices],
            }
        )
    contents = {
        "about": "Phantom: pictures made by kerakd, not MRI of anyone.",
        "group_pattern": PATIENT_PATTERN,
        "counts": dict(sorted(counts.items())),
        "table": table,
    }
    new.finish(contents, files)


def _write_patient(
    folder: Path, branch: Path, patient: PatientSlices, masks: bool
) -> int:
    """Write the pictures of one patient and their masks; how many files."""
    pictures = folder / branch
    pictures.mkdir(parents=True, exist_ok=True)
    for k, taken in enumerate(patient.slices):
        name = f"phantom-{patient.name}-s{k:02d}.png"
        Image.fromarray(taken.image).save(pictures / name)
        if masks:
            (folder / "masks" / branch).mkdir(parents=True, exist_ok=True)
            height, width = taken.mask.shape
            mask = Image.frombytes("P", (width, height), taken.mask.tobytes())
            mask.putpalette(_palette())
            mask.save(folder / "masks" / branch / name)
    return len(patient.slices) * (2 if masks else 1)


def _palette() -> list[int]:
    colours = {NECROTIC: (214, 39, 40), EDEMA: (44, 160, 44), ENHANCING: (255, 215, 0)}
    return [part for k in range(8) for part in colours.get(k, (0, 0, 0))]


def _tracked(
    drawn: Iterable[PatientSlices], total: int, progress: bool | None, many: bool
) -> Iterable[PatientSlices]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if progress is None:
        progress = console.is_terminal and many
    return track(
        drawn,
        "Drawing the phantom",
        total=total,
        console=console,
        transient=True,
        disable=not progress,
    )
