"""Finding splits and class folders on a disk, and the image files in them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kerakd.data.groups import first_of
from kerakd.errors import DataError

# How the folders of the splits are called (in any case).
SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
# The same files count as images on every machine, whatever its Pillow can read.
IMAGE_SUFFIXES = frozenset({
    ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm",
    ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})  # fmt: skip
EXPECTED_TREE = """\
Expected one of
    FOLDER/Training/CLASS/*.jpg and FOLDER/Testing/CLASS/*.jpg
    FOLDER/train/CLASS/*.png, FOLDER/val/CLASS/*.png and FOLDER/test/CLASS/*.png
    FOLDER/CLASS/*.png
with one folder per class, such as glioma and notumor."""

# Written by file managers and archivers, besides all that begins with a dot.
_CLUTTER = {"__macosx", "thumbs.db", "desktop.ini", "@eadir"}
_MAX_WRAPPERS = 8

# Why a file is passed over: hidden, no image by its name, an image outside all class
# folders, a link that leads back up.
KINDS = ("hidden", "non_image", "loose", "link_loop")


@dataclass(frozen=True)
class ClassFolder:
    """One class in one split."""

    split: str  # "train", "validation", "test", or "" in a flat layout
    name: str
    path: Path


@dataclass(frozen=True)
class Layout:
    """The class folders of a data set.

    Args:
        root: The folder that holds the splits, or the classes of a flat layout.
        name: The names of the split folders, e.g. `"Training/Testing"`, or `"flat"`.
        entered: The folders that wrapped it, e.g. `"brain_tumor_dataset"`, or `""`.
        folders: All class folders, by split and name.
        ignored: Names of folders beside the splits that are none.
    """

    root: Path
    name: str
    entered: str
    folders: tuple[ClassFolder, ...]
    ignored: tuple[str, ...]


@dataclass
class Skipped:
    """What was passed over: how many of each kind, and the first of them."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    examples: list[str] = field(default_factory=list)

    def add(self, kind: str, path: Path, root: Path) -> None:
        """Count one file as one of `KINDS`."""
        self.counts[kind] += 1
        if len(self.examples) < 10:
            self.examples.append(printable(path.relative_to(root)))


def printable(path: Path) -> str:
    """A path as text that can be written as UTF-8, whatever bytes are in its name."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def find_layout(folder: str | os.PathLike) -> Layout:
    """Recognise the layout of a data set.

    Split folders are found by their names (`SPLIT_FOLDERS`, any case); without a
    training folder, every folder is a class. A folder that holds one subfolder only, as
    archives unpack, is entered.

    Args:
        folder: The data set.

    Returns:
        The layout; its class folders may still turn out to be empty.

    Raises:
        DataError: There is no such folder, or it has no such layout.
    """
    given = Path(folder)
    if not given.exists():
        raise DataError(f"There is no folder {given}.")
    if not given.is_dir():
        unpack = " (unpack it first)" if given.suffix in (".zip", ".gz", ".tar") else ""
        raise DataError(
            f"{given} is a file; the folder of a data set was expected{unpack}."
        )
    root = _unwrap(given)
    entered = "" if root == given else root.relative_to(given).as_posix()
    children = visible_folders(root)
    splits = [child for child in children if child.name.lower() in SPLIT_FOLDERS]
    if not splits:
        return Layout(root, "flat", entered, _flat(given, root, children), ())
    by_split: dict[str, Path] = {}
    for child in splits:
        split = SPLIT_FOLDERS[child.name.lower()]
        if split in by_split:
            raise DataError(
                f"{root} holds {by_split[split].name} and {child.name}, which both "
                f"mean the {split} split; rename or remove one of them."
            )
        by_split[split] = child
    if "train" not in by_split:
        raise DataError(
            f"{root} holds {', '.join(child.name for child in splits)} but no folder "
            f"Training or train.\n{EXPECTED_TREE}"
        )
    order = [split for split in ("train", "test", "validation") if split in by_split]
    folders = []
    for split in order:
        classes = visible_folders(by_split[split])
        if not classes:
            raise DataError(
                f"{by_split[split]} has no class folders"
                f"{_loose_images(by_split[split])}.\n{EXPECTED_TREE}"
            )
        folders += [ClassFolder(split, path.name, path) for path in classes]
    return Layout(
        root=root,
        name="/".join(by_split[split].name for split in order),
        entered=entered,
        folders=tuple(folders),
        ignored=tuple(child.name for child in children if child not in splits),
    )


def holds_layout(folder: Path) -> bool:
    """Whether a folder looks like one data set: splits, or folders of images."""
    root = _unwrap(folder)
    children = visible_folders(root)
    return any(
        SPLIT_FOLDERS.get(child.name.lower()) == "train" or has_images(child)
        for child in children
    )


def _flat(given: Path, root: Path, children: list[Path]) -> tuple[ClassFolder, ...]:
    if not children:
        empty = "" if any(root.iterdir()) else " (it is empty)"
        raise DataError(
            f"{given} has no class folders{empty or _loose_images(root)}.\n"
            f"{EXPECTED_TREE}"
        )
    for child in children:
        inside = {path.name.lower() for path in visible_folders(child)}
        if inside & {"train", "training"}:
            raise DataError(
                f"{child} is a data set of its own, not a class of {given}; "
                f"give {child} instead."
            )
    return tuple(ClassFolder("", path.name, path) for path in children)


def _unwrap(folder: Path) -> Path:
    """Go down through folders that hold nothing but one more folder."""
    for _ in range(_MAX_WRAPPERS):
        children = visible_folders(folder)
        if (
            len(children) != 1
            or children[0].name.lower() in SPLIT_FOLDERS
            or has_images(folder)
            or has_images(children[0])
        ):
            return folder
        folder = children[0]
    return folder


def list_images(folder: Path, root: Path, skipped: Skipped) -> list[Path]:
    """All image files in a class folder and the folders in it, sorted.

    Args:
        folder: The class folder.
        root: What the names in `skipped` are relative to.
        skipped: Takes what is passed over: hidden files and all files in hidden
            folders, files without an image suffix, links that lead back up.

    Returns:
        The paths below `folder`; they are not opened, so that they may be no images.
    """
    return sorted(_walk(folder, root, skipped, (folder.resolve(),)))


def _walk(
    folder: Path, root: Path, skipped: Skipped, above: tuple[Path, ...]
) -> Iterator[Path]:
    for path in _entries(folder):
        if _is_hidden(path):
            for file in _files_in(path):
                skipped.add("hidden", file, root)
        elif path.is_dir():
            real = path.resolve()
            if real in above:
                skipped.add("link_loop", path, root)
            else:
                yield from _walk(path, root, skipped, (*above, real))
        elif is_image_name(path) and (path.is_file() or not path.exists()):
            yield path  # a link that leads nowhere, too: opening it says so
        else:
            skipped.add("non_image", path, root)


def _files_in(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for folder, _, names in os.walk(path):
        yield from (Path(folder) / name for name in sorted(names))


def loose_images(folder: Path) -> list[Path]:
    """Image files that lie in a folder of class folders, belonging to no class."""
    return [p for p in _entries(folder) if _is_visible_image(p)]


def has_images(folder: Path) -> bool:
    """Whether visible image files lie directly in a folder."""
    return any(_is_visible_image(path) for path in _entries(folder))


def _loose_images(folder: Path) -> str:
    loose = loose_images(folder)
    if not loose:
        return ""
    names = first_of([path.name for path in loose], 3)
    return f"; its images lie loose ({names}), so that nothing tells their class"


def visible_folders(folder: Path) -> list[Path]:
    """The folders in a folder that are not hidden, sorted by name."""
    return [p for p in _entries(folder) if not _is_hidden(p) and p.is_dir()]


def is_image_name(path: Path) -> bool:
    """Whether a file name ends as those of images do."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def _is_visible_image(path: Path) -> bool:
    return not _is_hidden(path) and is_image_name(path) and path.is_file()


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _CLUTTER


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"Cannot look into {folder}: {error.strerror}.") from None
