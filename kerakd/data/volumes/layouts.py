"""Which cases a folder holds: the namings of BraTS, Decathlon and `kaggle_3m`."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from kerakd.data.volumes.cases import Case, Source
from kerakd.errors import DataError

EXPECTED = (
    "Expected one of: BraTS 2018-2021 (CASE/CASE_t1ce.nii.gz, _t1, _t2, _flair, "
    "_seg), BraTS 2023 and later (CASE/CASE-t1c.nii.gz, -t1n, -t2w, -t2f, -seg), "
    "BraTS 2015 as NIfTI (CASE/Flair*.nii.gz, T1c*, OT*), Decathlon (imagesTr/, "
    "labelsTr/, dataset.json), or kaggle_3m (PATIENT/NAME_1.tif and NAME_1_mask.tif)."
)

_NIFTI = r"\.nii(?:\.gz)?"
_OLD = re.compile(rf"(?P<case>.+)_(?P<kind>t1ce|t1|t2|flair|seg){_NIFTI}", re.I)
_NEW = re.compile(rf"(?P<case>.+)-(?P<kind>t1c|t1n|t2w|t2f|seg){_NIFTI}", re.I)
_FIRST = re.compile(
    rf"(?P<kind>flair|t1c|t1|t2|ot|brainmask)[^.]*{_NIFTI}", re.IGNORECASE
)
_TIF = re.compile(r"(?P<case>.+)_(?P<slice>\d+)(?P<mask>_mask)?\.tif", re.I)

_KINDS = {
    "t1": "t1",
    "t1n": "t1",
    "t1ce": "t1ce",
    "t1c": "t1ce",
    "t2": "t2",
    "t2w": "t2",
    "flair": "flair",
    "t2f": "flair",
}
# Decathlon's words for its channels.
_CHANNELS = {
    "flair": "flair",
    "t1w": "t1",
    "t1": "t1",
    "t1gd": "t1ce",
    "t1ce": "t1ce",
    "t1c": "t1ce",
    "t2w": "t2",
    "t2": "t2",
}
# kaggle_3m's colours, and what they are of.
_COLOURS = ("t1", "flair", "t1ce")

# An examination's number behind the patient's.
_TIMEPOINTS = (
    re.compile(r"(BraTS-[A-Za-z]+-\d+)-\d{3}"),  # BraTS 2023 and later
    re.compile(r"(Brats1[78]_.+)_\d+"),  # BraTS 2017 and 2018
    re.compile(r"(brats_2013_pat\d+)_\d+"),  # BraTS 2015
    re.compile(r"(brats_tcia_pat\d+)_\d+"),
    re.compile(r"(TCGA_[A-Z0-9]+_[A-Z0-9]+)_\d{8}"),  # the day of the examination
)


def find_cases(folder: str | os.PathLike) -> list[Case]:
    """The cases below a folder, or the one that it is.

    Hidden folders are passed over.

    Args:
        folder: A folder of cases, a folder around it, or one case.

    Returns:
        Cases sorted by id.

    Raises:
        DataError: There is no such folder, no case in it, or two of one id.

    Example:

    ```python
    for case in kerakd.data.volumes.find_cases("BraTS2021"):
        print(case.id, case.group, sorted(case.images), case.mask)
    ```
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"There is no folder {root}; give the folder of the cases.")
    cases: dict[str, Case] = {}
    for place in _folders(root):
        for case in _cases_in(place, root):
            if case.id in cases:
                raise DataError(
                    f"{root} holds two cases {case.id!r}, in {cases[case.id].path} and "
                    f"{case.path}; rename one."
                )
            cases[case.id] = case
    if not cases:
        hint = ""
        if next(root.rglob("*.mha"), None) is not None:
            hint = " Its .mha files have to be converted to NIfTI first."
        raise DataError(f"{root} holds no case that kerakd knows.{hint} {EXPECTED}")
    return [cases[name] for name in sorted(cases)]


def patient_of(case: str) -> str:
    """The patient that an examination is of, by the namings of the data sets.

    Args:
        case: The case's name, such as `"BraTS-GLI-00005-001"`.

    Returns:
        Such as `"BraTS-GLI-00005"`; the name itself where it holds no more.
    """
    for pattern in _TIMEPOINTS:
        match = pattern.fullmatch(case)
        if match:
            return match[1]
    return case


def slice_number(path: Path) -> int:
    """The number of a `kaggle_3m` slice; names are not zero-padded."""
    return int(_TIF.fullmatch(path.name)["slice"])


def _folders(root: Path) -> Iterator[Path]:
    for place, names, _ in os.walk(root, followlinks=True):
        names[:] = sorted(n for n in names if not n.startswith((".", "__")))
        yield Path(place)


def _cases_in(place: Path, root: Path) -> list[Case]:
    if place.name.startswith("imagesT"):
        return _decathlon(place, root)
    if place.name.startswith("labelsT"):
        return []
    files = sorted(p for p in place.iterdir() if p.is_file() and p.name[0] != ".")
    return (
        _by_name(files, _NEW, "brats2023", place, root)
        or _by_name(files, _OLD, "brats2018-2021", place, root)
        or _first_years(files, place, root)
        or _slices(files, place, root)
    )


def _by_name(
    files: list[Path], pattern: re.Pattern, layout: str, place: Path, root: Path
) -> list[Case]:
    found: dict[str, dict[str, Path]] = {}
    for file in files:
        match = pattern.fullmatch(file.name)
        if match:
            kind = match["kind"].lower()
            found.setdefault(match["case"], {})[kind] = file
    cases = []
    for name, kinds in found.items():
        mask = kinds.pop("seg", None)
        if not kinds:  # a folder of masks alone, such as predictions
            continue
        # A folder named as its case adds nothing to the id.
        path = place if place.name == name else place / name
        cases.append(
            Case(
                _id(path, root),
                patient_of(name),
                layout,
                place,
                {_KINDS[kind]: Source(file) for kind, file in sorted(kinds.items())},
                mask,
            )
        )
    return cases


def _first_years(files: list[Path], place: Path, root: Path) -> list[Case]:
    kinds = {}
    for file in files:
        match = _FIRST.fullmatch(file.name)
        if match:
            kinds.setdefault(match["kind"].lower(), file)
    mask, brain = kinds.pop("ot", None), kinds.pop("brainmask", None)
    if not kinds:
        return []
    images = {_KINDS[kind]: Source(file) for kind, file in sorted(kinds.items())}
    name = _id(place, root)
    return [Case(name, patient_of(place.name), "brats2015", place, images, mask, brain)]


def _slices(files: list[Path], place: Path, root: Path) -> list[Case]:
    matches = [_TIF.fullmatch(file.name) for file in files]
    if not any(matches):
        return []
    masks = any(match and match["mask"] for match in matches)
    images = {name: Source(place, i) for i, name in enumerate(_COLOURS)}
    return [
        Case(
            _id(place, root),
            patient_of(place.name),
            "kaggle_3m",
            place,
            images,
            place if masks else None,
        )
    ]


def _decathlon(place: Path, root: Path) -> list[Case]:
    described = place.parent / "dataset.json"
    labels = place.parent / place.name.replace("images", "labels")
    try:
        told = json.loads(described.read_text(encoding="utf-8"))
        channels = told.get("modality") or told["channel_names"]
        names = {
            _CHANNELS[str(name).lower()]: int(i)
            for i, name in channels.items()
            if str(name).lower() in _CHANNELS
        }
    except FileNotFoundError:
        raise DataError(
            f"{place} looks like Decathlon, but there is no {described}, which tells "
            "what the channels are; put it there."
        ) from None
    except (ValueError, KeyError, AttributeError, TypeError):
        raise DataError(
            f"{described} does not tell what the channels are; expected "
            '{"modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}}.'
        ) from None
    cases = []
    for file in sorted(place.glob("*.nii*")):
        if file.name.startswith("."):
            continue
        name = file.name.split(".nii")[0]
        mask = labels / file.name
        cases.append(
            Case(
                _id(place / name, root),
                patient_of(name),
                "decathlon",
                file,
                {key: Source(file, i) for key, i in names.items()},
                mask if mask.is_file() else None,
            )
        )
    return cases


def _id(path: Path, root: Path) -> str:
    name = path.relative_to(root).as_posix()
    return root.name if name == "." else name
