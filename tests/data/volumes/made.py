"""Small cases written to disk, as a test needs them."""

import gzip
import json
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

SHAPE = (20, 24, 6)
# To the patient's left and back, as in BraTS; unequal, so that axes cannot be mixed up.
AFFINE = np.array(
    [[-1.0, 0, 0, 5], [0, -1.5, 0, 30], [0, 0, 4.0, -7], [0, 0, 0, 1]], float
)
NEW = {"t1": "t1n", "t1ce": "t1c", "t2": "t2w", "flair": "t2f"}


def head(seed: int = 0, shape: tuple = SHAPE) -> tuple[dict, np.ndarray]:
    """Four modalities int16 with background 0, and BraTS 2021 labels uint8."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    brain = (grid**2).sum(axis=0) < 0.8
    labels = np.zeros(shape, np.uint8)
    away = np.sqrt((grid[0] - 0.2) ** 2 + (grid[1] + 0.1) ** 2 + grid[2] ** 2)
    labels[(away < 0.5) & brain] = 2
    labels[(away < 0.35) & brain] = 4
    labels[(away < 0.28) & brain] = 1
    volumes = {}
    for number, name in enumerate(("t1", "t1ce", "t2", "flair")):
        values = random.normal(300 + 50 * number, 30, shape) + 40 * labels
        volumes[name] = np.where(brain, values, 0).astype(np.int16)
    return volumes, labels


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    """Write a NIfTI file as BraTS does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    image.header["descrip"] = b"made for a test"
    image.to_filename(path)
    return path


def write_case(
    root: Path,
    name: str = "BraTS2021_00001",
    seed: int = 0,
    *,
    truth: bool = True,
    leave_out: tuple = (),
    affine: np.ndarray = AFFINE,
) -> Path:
    """One case in the naming of BraTS 2018-2021."""
    volumes, labels = head(seed)
    volumes |= {"seg": labels} if truth else {}
    for kind, array in volumes.items():
        if kind not in leave_out:
            save(root / name / f"{name}_{kind}.nii.gz", array, affine)
    return root / name


def write_new_case(root: Path, name: str = "BraTS-GLI-00001-000", seed: int = 0):
    """One case in the naming of BraTS 2023 and later."""
    volumes, labels = head(seed)
    labels[labels == 4] = 3
    for kind, array in volumes.items():
        save(root / name / f"{name}-{NEW[kind]}.nii.gz", array)
    save(root / name / f"{name}-seg.nii.gz", labels)
    return root / name


def write_decathlon(root: Path, count: int = 2) -> Path:
    """A folder as the Medical Segmentation Decathlon has it."""
    for number in range(count):
        volumes, labels = head(number)
        stacked = np.stack([volumes[k] for k in ("flair", "t1", "t1ce", "t2")], -1)
        save(root / "imagesTr" / f"BRATS_{number:03d}.nii.gz", stacked)
        turned = np.zeros_like(labels)
        for theirs, ours in ((1, 2), (2, 1), (3, 4)):
            turned[labels == ours] = theirs
        save(root / "labelsTr" / f"BRATS_{number:03d}.nii.gz", turned)
    modality = {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}
    (root / "dataset.json").write_text(json.dumps({"modality": modality}))
    # What macOS leaves in such archives.
    (root / "imagesTr" / "._BRATS_000.nii.gz").write_bytes(b"x")
    return root


def write_tif_case(root: Path, name: str = "TCGA_AB_1234_19990101", slices: int = 11):
    """One case of kaggle_3m; slice 10 sorts before slice 2 as text."""
    folder = root / name
    folder.mkdir(parents=True)
    random = np.random.default_rng(list(name.encode()))
    rows, columns = np.mgrid[:32, :32]
    inside = (rows - 16) ** 2 + (columns - 16) ** 2 < 150
    for number in range(1, slices + 1):
        pixels = random.integers(0, 4, (32, 32, 3), dtype=np.uint8)
        pixels[inside] = random.integers(60, 200, (int(inside.sum()), 3))
        pixels[0, 0] = number
        mask = np.zeros((32, 32), np.uint8)
        if number > 6:
            mask[12:20, 12 : 12 + number] = 255
        Image.fromarray(pixels).save(folder / f"{name}_{number}.tif")
        Image.fromarray(mask).save(folder / f"{name}_{number}_mask.tif")
    return folder


def cut_short(path: Path) -> None:
    """Leave half of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def corrupt(path: Path) -> None:
    """A valid gzip header around broken content."""
    content = bytearray(gzip.compress(gzip.decompress(path.read_bytes())))
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(bytes(content))
