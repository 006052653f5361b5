"""A case's files as arrays, with every fault told in one sentence."""

import gzip
import os
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerakd.data.volumes.cases import Case, CaseError, Source
from kerakd.data.volumes.layouts import slice_number
from kerakd.data.volumes.schemes import LabelScheme, label_scheme
from kerakd.errors import DataError, RecipeError

# As a radiologist looks at slices: columns run to the patient's left, rows to the
# back; slices run from feet to head. BraTS is stored this way.
_AXES = ("L", "P", "S")
_THREADS = 4
_NIFTI_2 = 540  # the size that a header of the second version tells


@dataclass(frozen=True, eq=False)
class CaseVolumes:
    """A case as arrays of slices.

    Args:
        case: What was read.
        modalities: Names of the channels.
        images: float32 `(slices, height, width, channels)` as in the files, from feet
            to head, front at the top, the patient's left at the right.
        classes: uint8 `(slices, height, width)` of classes inside kerakd, or None.
        brain: bool of the same shape, where the data bring such a mask, or None.
        spacing: Millimetres from slice to slice, row to row and column to column.
        scheme: The mask's label scheme, or None.
        image: The first modality as nibabel opened it; None for slices of pictures.
        notes: What a reader of the figures should know.
    """

    case: Case
    modalities: tuple[str, ...]
    images: np.ndarray
    classes: np.ndarray | None
    brain: np.ndarray | None
    spacing: tuple[float, float, float]
    scheme: LabelScheme | None
    image: Any
    notes: tuple[str, ...] = ()

    def to_file_order(self, slices: np.ndarray) -> np.ndarray:
        """Voxels `(slices, height, width)` in the order of the case's own files."""
        if self.image is None:
            return slices
        return _from_slices(slices, self.image)


def read_case(
    case: Case,
    modalities: Sequence[str],
    scheme: str | LabelScheme | None = None,
    *,
    mask: bool = True,
) -> CaseVolumes:
    """Read and check the files of a case.

    Args:
        case: From `find_cases`.
        modalities: Which become channels, in this order.
        scheme: What the mask's numbers mean; not needed where the case has no mask.
        mask: Whether the mask is read, if there is one.

    Raises:
        CaseError: A file is missing, damaged, of another shape or place than the
            others, empty, or holds labels that are not in the scheme.
        RecipeError: The scheme is not known, or not given and needed.
    """
    modalities = tuple(modalities)
    sources = case.sources(modalities)
    wanted = mask and case.mask is not None
    if wanted and scheme is None:
        raise RecipeError(
            f"The masks of {case.layout} files may be of several label schemes, which "
            "kerakd does not guess; name one with scheme=."
        )
    scheme = label_scheme(scheme) if wanted else None
    read = _read_tif if case.layout == "kaggle_3m" else _read_nifti
    return read(case, modalities, sources, scheme)


def _read_nifti(
    case: Case,
    modalities: tuple[str, ...],
    sources: list[Source],
    scheme: LabelScheme | None,
) -> CaseVolumes:
    others = {"mask": case.mask if scheme else None, "brain mask": case.brain}
    others = {k: Source(path) for k, path in others.items() if path is not None}
    every = dict(zip(modalities, sources, strict=True)) | others
    paths = list(dict.fromkeys(source.path for source in every.values()))
    with ThreadPoolExecutor(min(len(paths), _THREADS, os.cpu_count() or 1)) as pool:
        # zlib lets other threads run while it works.
        opened = dict(
            zip(paths, pool.map(lambda p: _open(case, p), paths), strict=True)
        )
        first = opened[sources[0].path]
        for name, source in every.items():
            _check_place(case, opened[source.path], source, name, first)
        jobs = [(case, opened[source.path], source) for source in every.values()]
        arrays = list(pool.map(lambda job: _voxels(*job), jobs))
    depth, height, width = arrays[0].shape
    # Each channel lies together in memory: whatever follows goes channel by channel.
    images = np.empty((len(modalities), depth, height, width), np.float32)
    for channel in range(len(modalities)):
        images[channel] = arrays[channel]
    images = images.transpose(1, 2, 3, 0)
    extra = dict(zip(others, arrays[len(modalities) :], strict=True))
    notes = _check_images(case, images, modalities)
    classes = None
    if scheme is not None:
        classes = _classes(case, extra["mask"], scheme)
    brain = extra["brain mask"] > 0 if "brain mask" in extra else None
    spacing = _spacing(first)
    return CaseVolumes(
        case, modalities, images, classes, brain, spacing, scheme, first, notes
    )


def _read_tif(
    case: Case,
    modalities: tuple[str, ...],
    sources: list[Source],
    scheme: LabelScheme | None,
) -> CaseVolumes:
    files = sorted(case.path.glob("*.tif"))
    masks = {slice_number(f): f for f in files if f.stem.endswith("_mask")}
    slices = {slice_number(f): f for f in files if not f.stem.endswith("_mask")}
    if scheme is not None:
        lonely = sorted(slices.keys() - masks.keys())
        orphans = sorted(masks.keys() - slices.keys())
        if lonely:
            raise CaseError(
                case.id,
                f"the slice {slices[lonely[0]].name} has no mask "
                f"{slices[lonely[0]].stem}_mask.tif ({len(lonely)} of {len(slices)} "
                "slices lack theirs); add it, or leave the case out with "
                "skip_bad_cases",
            )
        if orphans:
            raise CaseError(
                case.id,
                f"the mask {masks[orphans[0]].name} belongs to no slice; add the slice "
                "or remove the mask",
            )
    numbers = sorted(slices)
    gaps = sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers))
    notes = (f"slices {gaps[:5]} are missing",) if gaps else ()
    pictures = [_picture(case, slices[n]) for n in numbers]
    _check_one_size(case, pictures, [slices[n] for n in numbers])
    images = np.stack(pictures)
    if images.ndim != 4 or images.shape[-1] < 3:
        raise CaseError(
            case.id, f"its slices have shape {images.shape[1:]}; colour was expected"
        )
    channels = [images[..., source.channel] for source in sources]
    images = np.stack(channels).astype(np.float32).transpose(1, 2, 3, 0)
    notes += _check_images(case, images, modalities)
    classes = None
    if scheme is not None:
        truth = [_picture(case, masks[n]) for n in numbers]
        _check_one_size(case, [pictures[0], *truth], [slices[numbers[0]], *files])
        classes = _classes(case, np.stack(truth), scheme)
    spacing = (1.0, 1.0, 1.0)  # such files tell none
    return CaseVolumes(
        case, modalities, images, classes, None, spacing, scheme, None, notes
    )


def _open(case: Case, path: Path) -> Any:
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    try:
        if path.suffix.lower() != ".gz":
            return nibabel.load(path)
        # nibabel stops reading where the voxels end, before gzip's checksum.
        content = gzip.decompress(path.read_bytes())
        second = int.from_bytes(content[:4], "little") == _NIFTI_2
        kind = nibabel.Nifti2Image if second else nibabel.Nifti1Image
        return kind.from_bytes(content)
    except FileNotFoundError:
        raise CaseError(case.id, f"there is no file {path}; put it there") from None
    except (
        ImageFileError,
        HeaderDataError,
        WrapStructError,
        OSError,
        EOFError,
        ValueError,
        zlib.error,
    ) as error:
        raise CaseError(case.id, _damage(path, error)) from error


def _damage(path: Path, error: Exception) -> str:
    if path.stat().st_size == 0:
        return f"{path.name} is empty; copy or download it again"
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
        return f"{path.name} is cut short or damaged; copy or download it again"
    first = (str(error) or type(error).__name__).splitlines()[0]
    return f"{path.name} is no readable NIfTI file ({first}); copy it again"


def _check_place(case: Case, image: Any, source: Source, name: str, first: Any) -> None:
    """One shape and one place in the body for all files of a case."""
    shape = image.shape
    if source.channel is None:
        if len(shape) != 3 and not (len(shape) == 4 and shape[3] == 1):
            raise CaseError(
                case.id,
                f"{source.path.name} has {len(shape)} dimensions {shape}, and a 3-D "
                f"{name} was expected; save one volume in it (4-D files are read in "
                "the Decathlon layout, imagesTr/ with dataset.json)",
            )
    elif len(shape) != 4 or shape[3] <= source.channel:
        raise CaseError(
            case.id,
            f"{source.path.name} has the shape {shape}, and a 4-D file with a channel "
            f"{source.channel} ({name}) was expected",
        )
    if shape[:3] != first.shape[:3]:
        raise CaseError(
            case.id,
            f"its {name} has the shape {shape[:3]} and its first modality "
            f"{first.shape[:3]}; resample it to that grid",
        )
    if not np.isfinite(image.affine).all() or not _spacing_is_fine(image):
        raise CaseError(
            case.id,
            f"the header of {source.path.name} has no usable affine or spacing; save "
            "it anew from a program that knows them",
        )
    smallest = min(_zooms(first))
    if not np.allclose(image.affine, first.affine, rtol=1e-4, atol=0.01 * smallest):
        raise CaseError(
            case.id,
            f"its {name} lies elsewhere in space than its first modality (the affines "
            "differ); register or resample it",
        )


def _zooms(image: Any) -> tuple[float, ...]:
    return tuple(map(float, image.header.get_zooms()[:3]))


def _spacing_is_fine(image: Any) -> bool:
    zooms = _zooms(image)
    return bool(np.isfinite(zooms).all() and min(zooms) > 0)


def _voxels(case: Case, image: Any, source: Source) -> np.ndarray:
    """float32 `(slices, height, width)`."""
    path = source.path
    try:
        proxy = image.dataobj
        if source.channel is not None:
            array = np.asarray(proxy[..., source.channel], np.float32)
        else:
            array = np.asarray(proxy, np.float32).reshape(image.shape[:3])
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise CaseError(case.id, _damage(path, error)) from error
    return _to_slices(array, image)


def _to_slices(array: np.ndarray, image: Any) -> np.ndarray:
    from nibabel import orientations

    there = orientations.io_orientation(image.affine)
    wanted = orientations.axcodes2ornt(_AXES)
    turn = orientations.ornt_transform(there, wanted)
    return orientations.apply_orientation(array, turn).transpose(2, 1, 0)


def _from_slices(slices: np.ndarray, image: Any) -> np.ndarray:
    from nibabel import orientations

    there = orientations.io_orientation(image.affine)
    wanted = orientations.axcodes2ornt(_AXES)
    turn = orientations.ornt_transform(wanted, there)
    return orientations.apply_orientation(slices.transpose(2, 1, 0), turn)


def _spacing(image: Any) -> tuple[float, float, float]:
    """Of slices, rows and columns."""
    from nibabel import orientations

    zooms = np.asarray(_zooms(image))
    there = orientations.io_orientation(image.affine)
    turn = orientations.ornt_transform(there, orientations.axcodes2ornt(_AXES))
    turned = np.empty(3)
    turned[turn[:, 0].astype(int)] = zooms
    return tuple(map(float, turned[::-1]))


def _check_images(
    case: Case, images: np.ndarray, modalities: tuple[str, ...]
) -> tuple[str, ...]:
    """Refuse volumes without content; put 0 where single voxels are no numbers."""
    notes = []
    for channel, name in enumerate(modalities):
        volume = images[..., channel]
        finite = np.isfinite(volume)
        if not finite.any():
            raise CaseError(
                case.id,
                f"its {name} holds no numbers (all voxels are NaN or infinite); export "
                "it again",
            )
        values = volume if finite.all() else volume[finite]
        low, high = float(values.min()), float(values.max())
        if low == high:
            what = "is all zero" if low == 0 else f"is {low:g} in every voxel"
            raise CaseError(case.id, f"its {name} {what}; export it again")
        if not finite.all():
            count = int(volume.size - finite.sum())
            notes.append(f"{count} voxels of {name} are NaN or infinite, taken as 0")
            volume[~finite] = 0.0
    return tuple(notes)


def _classes(case: Case, labels: np.ndarray, scheme: LabelScheme) -> np.ndarray:
    # A scale factor in the header turns 1 into 0.99999997. Most voxels are 0.
    where = labels != 0
    values = labels[where]
    whole = np.rint(values)
    if len(values) and np.abs(values - whole).max() < 1e-3:
        values = whole
    try:
        classes = np.zeros(labels.shape, np.uint8)
        classes[where] = scheme.to_classes(values)
        return classes
    except DataError as error:
        raise CaseError(case.id, str(error)) from None


def _picture(case: Case, path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except Exception as error:  # Pillow's decoders raise nearly any type
        raise CaseError(case.id, _damaged_picture(path, error)) from error


def _damaged_picture(path: Path, error: Exception) -> str:
    first = (str(error) or type(error).__name__).splitlines()[0]
    return f"{path.name} cannot be read ({first}); copy or download it again"


def _check_one_size(case: Case, pictures: list, files: list[Path]) -> None:
    for picture, file in zip(pictures, files, strict=False):
        if picture.shape[:2] != pictures[0].shape[:2]:
            raise CaseError(
                case.id,
                f"{file.name} is {picture.shape[1]}x{picture.shape[0]} pixels and "
                f"{files[0].name} {pictures[0].shape[1]}x{pictures[0].shape[0]}; all "
                "slices and masks of a case must be of one size",
            )
