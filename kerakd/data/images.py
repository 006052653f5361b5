"""From a folder of images to the table of samples."""

import os
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from kerakd.data.aliases import fold, rename
from kerakd.data.decode import DEEP_MODES, ImageError, open_image, to_8_bit
from kerakd.data.groups import Groups, first_of
from kerakd.data.layouts import (
    ClassFolder,
    Layout,
    Skipped,
    find_layout,
    list_images,
    loose_images,
    printable,
)
from kerakd.data.samples import COLUMNS, SPLITS, Samples
from kerakd.errors import DataError, nearest

MIN_SIDE = 8
_MANY = 500  # files: below, a progress bar would only flash


def load_images(
    folder: str | os.PathLike,
    *,
    aliases: bool | Mapping[str, str] = False,
    skip_bad: bool = False,
    classes: Sequence[str] | None = None,
    groups: Groups | None = None,
    progress: bool | None = None,
) -> Samples:
    """Read a folder of class folders, decoding every image once.

    The layouts `Training/Testing`, `Train/Testing/Validation`, `train/val/test` (in any
    case) and flat class folders are recognised; a folder that only wraps another one
    is entered. Images in folders inside a class folder belong to that class. Hidden
    files and folders and files without an image suffix are passed over and counted
    in `notes["skipped"]`.

    Args:
        folder: The data set, e.g. `"brain-tumor-mri"`.
        aliases: True brings the usual spellings of the brain-tumour classes
            (`no_tumor`, `glioma_tumor`, ...) to one, and those of other classes to that
            of the training folder; a mapping `{folder name: class name}` does just what
            it says. What was renamed is in `notes["aliases"]`.
        skip_bad: Leave out files that cannot be decoded and images under 8x8 pixels,
            and list them in `notes["bad"]`, instead of raising.
        classes: Only these classes (names after `aliases`); the others are in
            `notes["left_out_classes"]`.
        groups: What belongs together, as a mapping, function, regular expression or
            CSV file (see `kerakd.data.groups.assign_groups`). By default every image is
            a group of its own.
        progress: Whether to show a progress bar; by default for more than 500 files
            when the output is a terminal.

    Returns:
        A table with one row per image, sorted by id. Its `root` is the folder that
        holds the split or class folders, so that ids do not depend on wrappers.

    Raises:
        DataError: There is no such layout, fewer than two classes, a class without
            images, a class that training lacks, or (unless `skip_bad`) a file that
            cannot be used.

    Example:

    ```python
    samples = kerakd.data.load_images(
        "breast-ultrasound", groups=r"patient_(\\d+)", skip_bad=True
    )
    print(samples, samples.notes)
    ```
    """
    layout = find_layout(folder)
    names = _class_names(layout, aliases)
    kept, left_out = _select(layout, names, classes)
    _check_classes(layout, names, kept)
    skipped = Skipped()
    files = _list_files(layout, kept, skipped)
    looks = _look_at_all([path for path, _ in files], progress)
    rows, bad, dim = [], [], []
    for (path, class_folder), (look, reason) in zip(files, looks, strict=True):
        name = path.relative_to(layout.root)
        if printable(name) != name.as_posix():
            reason = "its name is not valid Unicode; rename it"
        if reason:
            bad.append({"id": printable(name), "reason": reason})
            continue
        # macOS spells an accented letter as two characters, others as one.
        identity = unicodedata.normalize("NFC", name.as_posix())
        label = names[class_folder.name]
        width, height, mode, is_dim = look
        rows.append(
            {
                "id": identity,
                "path": name.as_posix(),
                "label": label,
                "group": identity,
                "split": class_folder.split,
                "width": width,
                "height": height,
                "mode": mode,
            }
        )
        if is_dim:
            dim.append(identity)
    if bad and not skip_bad:
        raise DataError(_bad_files(bad, len(files), layout.root))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("id")
    _check_still_there(layout, kept, names, table)
    notes = {
        "layout": layout.name,
        "entered": layout.entered,
        "official_splits": [s for s in SPLITS if s in {f.split for f in kept}],
        "ignored_folders": list(layout.ignored),
        "aliases": {f.name: names[f.name] for f in kept if names[f.name] != f.name},
        "left_out_classes": left_out,
        "missing_classes": _missing_classes(kept, names),
        "skipped": {**skipped.counts, "examples": skipped.examples},
        "bad": bad,
        "dim_16_bit": dim,
        "modes": dict(Counter(table["mode"]).most_common()),
    }
    samples = Samples(table, layout.root, tuple(sorted(set(table["label"]))), notes)
    return samples if groups is None else samples.with_groups(groups)


def _class_names(layout: Layout, aliases: bool | Mapping[str, str]) -> dict[str, str]:
    reference = {f.name for f in layout.folders if f.split == "train"}
    return rename({f.name for f in layout.folders}, aliases, reference)


def _select(
    layout: Layout, names: dict[str, str], classes: Sequence[str] | None
) -> tuple[list[ClassFolder], list[str]]:
    if classes is None:
        return list(layout.folders), []
    if isinstance(classes, str):
        raise DataError(f"classes must be a list of names, such as [{classes!r}, ...].")
    known = set(names.values())
    for name in classes:
        if name not in known:
            raise DataError(
                f"There is no class {name!r} in {layout.root}. " + nearest(name, known)
            )
    kept = [f for f in layout.folders if names[f.name] in classes]
    return kept, sorted(known - set(classes))


def _check_classes(
    layout: Layout, names: dict[str, str], kept: list[ClassFolder]
) -> None:
    """Every class occurs in training, and there are at least two."""
    reference = {names[f.name] for f in kept if f.split in ("train", "")}
    for f in kept:
        if names[f.name] not in reference:
            raise DataError(_unknown_class(layout, names[f.name], f, reference))
    if len(reference) < 2:
        raise DataError(
            f"{layout.root} has one class only ({', '.join(sorted(reference))}); "
            "classification needs two or more class folders."
        )


def _list_files(
    layout: Layout, kept: list[ClassFolder], skipped: Skipped
) -> list[tuple[Path, ClassFolder]]:
    files = []
    for folder in kept:
        found = list_images(folder.path, layout.root, skipped)
        if not found:
            raise DataError(_no_image(folder, layout))
        files += [(path, folder) for path in found]
    for parent in sorted({layout.root, *(folder.path.parent for folder in kept)}):
        for path in loose_images(parent):
            skipped.add("loose", path, layout.root)
    return files


def _unknown_class(
    layout: Layout, name: str, folder: ClassFolder, reference: set[str]
) -> str:
    text = (
        f"{folder.path} is a class that the training folder of {layout.root} lacks "
        f"(it has {', '.join(sorted(reference))})."
    )
    known = set(rename([name, *reference], True, reference).values())
    alike = {fold(n) for n in reference}
    if len(known) <= len(reference) or fold(name) in alike:
        return text + (
            " They look like one class written in several ways: pass aliases=True "
            "(--aliases)."
        )
    return text + " Rename, add or remove that folder, or choose with classes=[...]."


def _no_image(folder: ClassFolder, layout: Layout) -> str:
    skipped = Skipped()
    list_images(folder.path, layout.root, skipped)
    there = ""
    if skipped.examples:
        number = sum(skipped.counts.values())
        there = f", only {number} other files such as {skipped.examples[0]}"
    return (
        f"The class folder {folder.path} holds no image{there}. Remove it, or fill it "
        "with JPEG, PNG, TIFF, BMP or WebP files."
    )


def _bad_files(bad: list[dict], total: int, root: Path) -> str:
    listed = first_of([f"{entry['id']} ({entry['reason']})" for entry in bad])
    return (
        f"{len(bad)} of {total} files in {root} cannot be used: {listed}. Mend or "
        "remove them, or leave them out with skip_bad=True (--skip-bad)."
    )


def _check_still_there(
    layout: Layout, kept: list[ClassFolder], names: dict[str, str], table: pd.DataFrame
) -> None:
    """No class was lost with its bad files."""
    present = set(zip(table["split"], table["label"], strict=True))
    for folder in kept:
        if (folder.split, names[folder.name]) not in present:
            raise DataError(
                f"No image in {folder.path} can be used; mend them, or leave the class "
                "out with classes=[...] (without skip_bad each fault is named)."
            )


def _missing_classes(
    kept: list[ClassFolder], names: dict[str, str]
) -> dict[str, list[str]]:
    everything = {names[f.name] for f in kept}
    missing = {}
    for split in ("validation", "test"):
        present = {names[f.name] for f in kept if f.split == split}
        if present and present != everything:
            missing[split] = sorted(everything - present)
    return missing


def _look_at_all(paths: list[Path], progress: bool | None) -> list[tuple]:
    """Decode all files; Pillow's decoders run in parallel."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if progress is None:
        progress = console.is_terminal and len(paths) > _MANY
    pool = ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1)))
    try:
        with Progress(
            console=console, transient=console.is_terminal, disable=not progress
        ) as bar:
            looks = pool.map(_look_at, paths)
            return list(bar.track(looks, len(paths), description="Checking images"))
    finally:
        pool.shutdown(cancel_futures=True)


def _look_at(path: Path) -> tuple[tuple | None, str]:
    """Width, height, mode and whether a 16-bit file is nearly black; or the fault."""
    try:
        image = open_image(path)
        grey = to_8_bit(image, "L", path)
    except ImageError as error:
        return None, error.reason
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        return None, (
            f"it has {width}x{height} pixels, at least {MIN_SIDE}x{MIN_SIDE} are needed"
        )
    # 12-bit values in a 16-bit file: 4095 of 65535 is 16 of 255.
    is_dim = image.mode in DEEP_MODES and grey.getextrema()[1] <= 16
    return (width, height, image.mode, is_dim), ""
