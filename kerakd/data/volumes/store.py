"""Slices of checked cases, made once and kept in a folder that is keyed and checked."""

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kerakd.data.samples import COLUMNS, Samples
from kerakd.data.volumes.cases import CaseError
from kerakd.data.volumes.normalising import normalise
from kerakd.data.volumes.reading import read_case
from kerakd.data.volumes.schemes import TARGETS, check_target
from kerakd.data.volumes.slicing import to_slices
from kerakd.data.volumes.table import NO_TRUTH, NO_TUMOUR, TUMOUR, Volumes
from kerakd.errors import DataError, KerakdError, RecipeError
from kerakd.files import make_folder, read_json, replacing, write_json

# Changes when the pixels that a case gives change.
_VERSION = 1
_IMAGES, _MASKS, _HEADER = "images.f16", "masks.u8", "slices.json"
_MANY = 10  # cases: below, a progress bar would only flash


@dataclass(frozen=True, eq=False, repr=False)
class SliceStore:
    """The slices of a set of cases, as a network of one size sees them.

    Slices without a voxel of brain are left out. Made by `SliceStore.build`.

    Args:
        samples: One row per slice: `id` is `<case>/<number of the slice>`, `label`
            whether there is tumour in it, `group` the patient, `split` that of the
            case.
        images: float16 `(n, height, width, channels)`, z-scored, mapped from the disk.
        masks: uint8 `(n, height, width)`; None where a case has no mask.
        modalities: The channels.
        target: What the masks tell apart, see `kerakd.data.volumes.TARGETS`.
        folder: Where the files are.
        reused: Whether the files were there already.
        checksums: Of each case's images, by its id.
    """

    samples: Samples
    images: np.ndarray
    masks: np.ndarray | None
    modalities: tuple[str, ...]
    target: str
    folder: Path
    reused: bool
    checksums: dict[str, int]

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        _, height, width, channels = self.images.shape
        return (
            f"<SliceStore: {len(self)} slices of {height}x{width}x{channels}, "
            f"{self.target}, {self.images.nbytes / 1e6:.0f} MB>"
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the logits."""
        return TARGETS[self.target][0]

    def contents_key(self, ids: Iterable[str]) -> str:
        """A hash of the images of the cases that these slices are of.

        Args:
            ids: Of slices.
        """
        cases = dict.fromkeys(one.rpartition("/")[0] for one in ids)
        told = "\n".join(f"{case} {self.checksums[case]}" for case in cases)
        return hashlib.blake2b(told.encode(), digest_size=12).hexdigest()

    def rows(self, split: str) -> np.ndarray:
        """Positions of the slices of one split."""
        return np.flatnonzero(self.samples.table["split"].to_numpy() == split)

    @classmethod
    def build(
        cls,
        volumes: Volumes,
        size: int | tuple[int, int],
        target: str = "whole_tumour",
        *,
        cache_dir: str | os.PathLike | None = None,
        progress: bool | None = None,
    ) -> "SliceStore":
        """Turn cases into slices, or take up those that were made before.

        The folder's name is a key of all that decides the pixels: the cases and the
        size and time of change of their files, modalities, size, target and label
        scheme. Splits are not among it. What is read is checked against the checksums
        that were written last; a folder that does not fit them is made anew.

        Args:
            volumes: From `load_volumes`.
            size: Height and width in pixels, or one number for both.
            target: `"whole_tumour"` (2 classes) or `"subregions"` (4).
            cache_dir: Where the folder goes; by default `kerakd/slices` in the user's
                cache folder. An image takes 2 bytes a pixel and channel.
            progress: Whether to show a bar; by default on a terminal.

        Raises:
            DataError: A case cannot be read any more, or changed meanwhile.
            KerakdError: The cache cannot be written.
            RecipeError: The size or target is refused.
        """
        check_target(target)
        size = _size(size)
        stamp = _stamp(volumes, size, target)
        base = Path(cache_dir) if cache_dir else _default_folder()
        folder = base / hashlib.blake2b(stamp.encode(), digest_size=12).hexdigest()
        header = _intact(folder, volumes, size)
        reused = header is not None
        if not reused:
            header = _write(volumes, size, target, make_folder(folder), progress)
            if _stamp(volumes, size, target) != stamp:
                (folder / _HEADER).unlink()
                raise DataError(
                    "Files of the cases were changed while they were read; run it "
                    "again when they are complete."
                )
        images, masks = _mapped(folder, header, size, len(volumes.modalities))
        samples = _samples(volumes, header["cases"], size)
        checksums = {one["id"]: one["crc32"][_IMAGES] for one in header["cases"]}
        return cls(
            samples,
            images,
            masks,
            volumes.modalities,
            target,
            folder,
            reused,
            checksums,
        )


def _size(size: int | tuple[int, int]) -> tuple[int, int]:
    pair = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2 or not all(isinstance(n, int) and 8 <= n <= 4096 for n in pair):
        raise RecipeError(
            f"size must be a number of pixels from 8 to 4096, or two, not {size!r}."
        )
    return pair


def _default_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kerakd" / "slices"


def _stamp(volumes: Volumes, size: tuple[int, int], target: str) -> str:
    scheme = volumes.scheme.name if volumes.scheme else ""
    parts = [f"{_VERSION} {size} {target} {scheme} {volumes.modalities}"]
    for case in volumes.cases:
        parts.append(case.id)
        for path in case.files:
            try:
                status = path.stat()
            except OSError as error:
                raise CaseError(
                    case.id, f"{path.name} cannot be read ({error.strerror})"
                ) from error
            parts.append(f"{path.absolute()} {status.st_size} {status.st_mtime_ns}")
    return "\n".join(parts)


def _write(
    volumes: Volumes,
    size: tuple[int, int],
    target: str,
    folder: Path,
    progress: bool | None,
) -> dict:
    """Write all slices case by case; the header, which vouches for them, last."""
    truth = all(case.mask is not None for case in volumes.cases)
    told = []
    with ExitStack() as stack:
        files = {}
        for name in (_IMAGES, _MASKS) if truth else (_IMAGES,):
            temporary = stack.enter_context(replacing(folder / name))
            files[name] = stack.enter_context(open(temporary, "wb"))
        for case in _with_progress(volumes.cases, progress):
            read = read_case(case, volumes.modalities, volumes.scheme, mask=truth)
            images, brain = normalise(read)
            kept = np.flatnonzero(brain.any(axis=(1, 2)))
            classes = read.classes[kept] if truth else None
            pictures, masks = to_slices(images[kept], classes, size, target)
            parts = {_IMAGES: pictures.astype("<f2").tobytes()}
            tumour = np.zeros(len(kept), int)
            if truth:
                parts[_MASKS] = masks.tobytes()
                tumour = np.count_nonzero(masks, axis=(1, 2))
            for name, part in parts.items():
                files[name].write(part)
            told.append(
                {
                    "id": case.id,
                    "slices": kept.tolist(),
                    "of": len(brain),
                    "tumour_pixels": tumour.tolist(),
                    "crc32": {name: zlib.crc32(part) for name, part in parts.items()},
                }
            )
    header = {"format": "kerakd slices", "version": _VERSION, "cases": told}
    write_json(folder / _HEADER, header)
    return header


def _with_progress(cases: tuple, progress: bool | None) -> Iterator:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if progress is None:
        progress = console.is_terminal and len(cases) >= _MANY
    with Progress(console=console, transient=True, disable=not progress) as bar:
        task = bar.add_task("Slicing cases", total=len(cases))
        for case in cases:
            yield case
            bar.advance(task)


def _intact(folder: Path, volumes: Volumes, size: tuple[int, int]) -> dict | None:
    """The header of a folder whose files are what it says; else None."""
    try:
        header = read_json(folder / _HEADER)
        told = header["cases"]
        if [one["id"] for one in told] != [case.id for case in volumes.cases]:
            return None
        channels = len(volumes.modalities)
        images, masks = _mapped(folder, header, size, channels)
        start = 0
        for one in told:
            stop = start + len(one["slices"])
            for name, array in ((_IMAGES, images), (_MASKS, masks)):
                if array is not None and (
                    zlib.crc32(array[start:stop].tobytes()) != one["crc32"][name]
                ):
                    return None
            start = stop
    except (KerakdError, OSError, ValueError, KeyError, TypeError):
        return None
    return header


def _mapped(
    folder: Path, header: dict, size: tuple[int, int], channels: int
) -> tuple[np.ndarray, np.ndarray | None]:
    count = sum(len(one["slices"]) for one in header["cases"])
    # Copy-on-write, for TensorFlow takes no array that is marked read-only.
    shape = (count, *size, channels)
    images = np.memmap(folder / _IMAGES, "<f2", "c", shape=shape)
    masks = None
    if all(_MASKS in one["crc32"] for one in header["cases"]):
        masks = np.memmap(folder / _MASKS, np.uint8, "c", shape=shape[:3])
    return images, masks


def _samples(volumes: Volumes, told: list[dict], size: tuple[int, int]) -> Samples:
    rows = []
    table = volumes.samples.table
    for one, path, group, split, truth in zip(
        told,
        table["path"],
        table["group"],
        table["split"],
        table["label"],
        strict=True,
    ):
        for number, tumour in zip(one["slices"], one["tumour_pixels"], strict=True):
            label = TUMOUR if tumour else NO_TUMOUR
            label = NO_TRUTH if truth == NO_TRUTH else label
            name = f"{one['id']}/{number:03d}"
            rows.append((name, path, label, group, split, size[1], size[0], "slice"))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return Samples(
        frame, volumes.samples.root, tuple(sorted({TUMOUR, NO_TUMOUR, *frame["label"]}))
    )
