"""Phantom volumes as NIfTI files, named as BraTS names its cases."""

import os
from pathlib import Path

import nibabel
import numpy as np

from kerakd.data.phantom.folders import complete_or_new
from kerakd.data.phantom.patient import Patient, known, phantom_patient
from kerakd.data.phantom.signal import MODALITIES
from kerakd.data.phantom.slices import VERSION, patient_name
from kerakd.data.phantom.tumours import ENHANCING, KINDS
from kerakd.errors import DataError

# What stands before ".nii.gz" in each naming, and the label of enhancing tumour.
_NAMINGS = {
    "brats2021": ("_{}", dict(zip(MODALITIES, MODALITIES, strict=True)), 4),
    "brats2023": ("-{}", {"t1": "t1n", "t1ce": "t1c", "t2": "t2w", "flair": "t2f"}, 3),
}


def phantom_volume(
    patient: Patient,
    shape: tuple[int, int, int] = (96, 96, 64),
    spacing: float = 2.0,
    stripped: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate a whole patient.

    Args:
        patient: From `phantom_patient`.
        shape: Voxels from right to left, front to back, bottom to top.
        spacing: Size of a voxel in millimetres. 96 x 96 x 64 voxels of 2 mm just hold
            the brain.
        stripped: Whether everything but the brain is zero, as in BraTS.

    Returns:
        Volumes `(4, *shape)` int16 in the order t1, t1ce, t2, flair, fat near 1000 in
        T1; and labels of `shape`, uint8, with 0 none, 1 necrotic core, 2 edema, 4
        enhancing tumour.
    """
    width, length, height = shape
    x = (width / 2 - 0.5 - np.arange(width, dtype=np.float32)) * spacing
    y = (length / 2 - 0.5 - np.arange(length, dtype=np.float32)) * spacing
    grid = np.stack([a.ravel() for a in np.meshgrid(x, y, [0], indexing="ij")])
    volumes = np.empty((len(MODALITIES), *shape), np.int16)
    labels = np.empty(shape, np.uint8)
    for k in range(height):
        # The brain's middle lies a little above the frame's.
        grid[2] = (k - height / 2 + 0.5) * spacing + 4
        images, labels[..., k] = patient.render(
            np.float32(grid), (width, length), spacing, MODALITIES, k, stripped
        )
        volumes[..., k] = np.round(1000 * images)
    return volumes, labels


def write_phantom_volumes(
    folder: str | os.PathLike,
    patients: int = 4,
    seed: int = 0,
    naming: str = "brats2021",
    *,
    shape: tuple[int, int, int] = (96, 96, 64),
    spacing: float = 2.0,
    kinds: tuple[str, ...] = ("glioma",),
) -> Path:
    """Write phantom cases for segmentation.

    Each is a folder of five files: four skull-stripped modalities (int16) and the
    labels (uint8), with the orientation of BraTS and true spacing in the header.

    Args:
        folder: The folder to write; whole or not at all.
        patients: Number of cases, their classes taking turns.
        seed: Any integer.
        naming: `"brats2021"`: `phantom-p0000/phantom-p0000_t1ce.nii.gz`, enhancing
            tumour labelled 4. `"brats2023"`: `phantom-p0000/phantom-p0000-t1c.nii.gz`,
            enhancing tumour labelled 3.
        shape: Voxels.
        spacing: Size of a voxel in millimetres.
        kinds: Classes of the patients.

    Returns:
        The folder. One that holds these very cases already is left as it is.

    Raises:
        DataError: An argument is out of range, or the folder holds something else.
    """
    known("naming", naming, tuple(_NAMINGS))
    for kind in kinds:
        known("kind", kind, KINDS)
    if patients < 1 or not kinds:
        raise DataError("A phantom needs at least one patient and one kind.")
    if len(shape) != 3 or min(shape) < 8 or spacing <= 0:
        raise DataError(
            f"shape must be three sizes of at least 8 voxels and spacing positive, "
            f"not {shape} and {spacing}."
        )
    request = {
        "phantom": "volumes",
        "version": VERSION,
        "seed": int(seed),
        "patients": int(patients),
        "naming": naming,
        "shape": list(map(int, shape)),
        "spacing": float(spacing),
        "kinds": list(kinds),
    }
    with complete_or_new(folder, request) as new:
        if new is not None:
            table = [
                _write_case(new.path, number, request) for number in range(patients)
            ]
            new.finish({"table": table}, files=5 * patients)
    return Path(folder)


def _write_case(folder: Path, number: int, request: dict) -> dict:
    kind = request["kinds"][number % len(request["kinds"])]
    patient = phantom_patient(request["seed"], kind, number)
    spacing = request["spacing"]
    volumes, labels = phantom_volume(patient, tuple(request["shape"]), spacing)
    joint, names, enhancing = _NAMINGS[request["naming"]]
    labels[labels == ENHANCING] = enhancing
    case = f"phantom-{patient_name(number)}"
    (folder / case).mkdir()
    # Voxels run to the patient's left and back, as in BraTS.
    affine = np.diag([-spacing, -spacing, spacing, 1.0])
    affine[1, 3] = spacing * (request["shape"][1] - 1)
    arrays = dict(zip(MODALITIES, volumes, strict=True))
    named = {names[m]: volume for m, volume in arrays.items()} | {"seg": labels}
    for name, array in named.items():
        image = nibabel.Nifti1Image(array, affine)
        image.header.set_xyzt_units("mm")
        image.header["descrip"] = b"kerakd phantom"
        image.set_qform(affine, 1)
        image.set_sform(affine, 1)
        image.to_filename(folder / case / f"{case}{joint.format(name)}.nii.gz")
    return {"patient": patient_name(number), "kind": kind, "case": case}
