"""From what is to be audited to a table of samples."""

import os
from pathlib import Path

import pandas as pd

from kerakd.data.audit.marks import each
from kerakd.data.decode import ImageError, open_image
from kerakd.data.groups import Groups
from kerakd.data.images import load_images
from kerakd.data.layouts import Skipped, has_images, list_images, printable
from kerakd.data.samples import COLUMNS, Samples
from kerakd.errors import DataError

MASK = "_mask"
WITH, WITHOUT = "with lesion", "without lesion"
# The one class of images that nothing tells apart.
UNLABELLED = "images"


def gather(
    source: str | os.PathLike | Samples,
    groups: Groups | None,
    aliases: bool,
    progress: bool | None,
) -> Samples:
    """A table of samples, from whatever is to be audited.

    Slices are known by masks beside them, `NAME_mask.tif` for `NAME.tif`: the folder
    is the patient, and whether the mask has any foreground is the class. A folder of
    loose images is a data set without classes.

    Raises:
        DataError: The folder has none of these layouts.
    """
    if isinstance(source, Samples):
        samples = source if groups is None else source.with_groups(groups)
        if not len(samples):
            raise DataError("The table of samples is empty; there is nothing to audit.")
        samples.check_files()
        return samples
    folder = Path(source)
    if folder.is_dir():
        skipped = Skipped()
        files = list_images(folder, folder, skipped)
        stems = {(path.parent, path.stem) for path in files}
        masks = [p for p in files if _is_mask(p, stems)]
        if masks:
            return _slices(folder, files, masks, skipped, groups, progress)
        if has_images(folder) and all(path.parent == folder for path in files):
            return _unlabelled(folder, files, skipped, groups)
    return load_images(
        folder, aliases=aliases, skip_bad=True, groups=groups, progress=progress
    )


def _is_mask(path: Path, stems: set) -> bool:
    stem = path.stem
    return stem.endswith(MASK) and (path.parent, stem.removesuffix(MASK)) in stems


def _slices(folder, files, masks, skipped, groups, progress) -> Samples:
    beside = {path.with_name(path.stem.removesuffix(MASK)).as_posix(): path
              for path in masks}  # fmt: skip
    hidden = set(masks)
    pictures = [path for path in files if path not in hidden]
    answers = each(
        _has_lesion,
        [beside.get(path.with_suffix("").as_posix()) for path in pictures],
        "Reading masks",
        progress,
    )
    rows, bad = [], []
    for path, (lesion, reason) in zip(pictures, answers, strict=True):
        if reason:
            bad.append({"id": _name(path, folder), "reason": reason})
            continue
        patient = path.parent.relative_to(folder).as_posix()
        rows.append((path, WITH if lesion else WITHOUT, patient))
    return _table(folder, rows, "slices with masks", bad, skipped, groups)


def _unlabelled(folder, files, skipped, groups) -> Samples:
    rows = [(path, UNLABELLED, None) for path in files]
    return _table(folder, rows, "images without classes", [], skipped, groups)


def _has_lesion(mask: Path | None) -> tuple[bool, str]:
    if mask is None:
        return False, f"it has no {MASK} file beside it, as the others have"
    try:
        darkest, brightest = open_image(mask).convert("L").getextrema()
    except ImageError as error:
        return False, f"its mask cannot be used: {error.reason}"
    return brightest > max(darkest, 0) or darkest > 0, ""


def _name(path: Path, folder: Path) -> str:
    return printable(path.relative_to(folder))


def _table(folder, files, layout, bad, skipped, groups) -> Samples:
    rows = []
    for path, label, patient in files:
        name = _name(path, folder)
        if name != path.relative_to(folder).as_posix():
            reason = "its name is not valid Unicode; rename it"
            bad.append({"id": name, "reason": reason})
            continue
        group = patient or name
        # Sizes and modes are filled in by the look at the pixels.
        rows.append((name, name, label, group, "", 0, 0, ""))
    if not rows:
        raise DataError(f"No image in {folder} can be used; mend them first.")
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("id")
    notes = {
        "layout": layout,
        "official_splits": [],
        "skipped": {**skipped.counts, "examples": skipped.examples},
        "bad": bad,
    }
    samples = Samples(table, folder, tuple(sorted(set(table["label"]))), notes)
    return samples if groups is None else samples.with_groups(groups)
