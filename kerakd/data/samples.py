"""The table of samples that every later step starts from."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from kerakd.data.groups import Groups, assign_groups, first_of
from kerakd.data.remarks import remarks
from kerakd.errors import DataError, nearest
from kerakd.files import read_json, replacing, write_json

COLUMNS = ("id", "path", "label", "group", "split", "width", "height", "mode")
SPLITS = ("train", "validation", "test")
_NUMBERS = ("width", "height")
_FORMAT = "kerakd samples"
_VERSION = 1


@dataclass(frozen=True, eq=False, repr=False)
class Samples:
    """A table of images: where each one is, its class, its group and its split.

    Args:
        table: One row per image, with the columns `id` (posix path below `root`, the
            same on every machine), `path` (below `root`, as the file system spells it),
            `label` (class name), `group` (patient, cluster of duplicates; the id
            itself where none is known), `split` (`"train"`, `"validation"`, `"test"`
            or `""`), `width`, `height` (pixels) and `mode` (Pillow's name of the
            pixel format).
        root: The folder that `path` is relative to; None in a table that was loaded
            without saying where the images are.
        class_names: Class names in sorted order; the position is the integer label.
        notes: What the loader saw and did (JSON-able).

    Example:

    ```python
    samples = kerakd.data.load_images("brain-tumor-mri")
    samples = kerakd.data.split(samples, validation=0.2, seed=0)
    train = samples.subset("train")
    train.ids, train.labels, train.paths
    ```
    """

    table: pd.DataFrame
    root: Path | None
    class_names: tuple[str, ...]
    notes: dict = field(default_factory=dict)

    def __post_init__(self):
        missing = [name for name in COLUMNS if name not in self.table.columns]
        if missing:
            raise DataError(
                f"A table of samples needs the columns {', '.join(COLUMNS)}; "
                f"{', '.join(missing)} is missing."
            )
        table = self.table[list(COLUMNS)].reset_index(drop=True)
        for name in COLUMNS:
            kind = np.int64 if name in _NUMBERS else str
            table[name] = table[name].astype(kind)
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "class_names", tuple(self.class_names))
        if self.root is not None:
            object.__setattr__(self, "root", Path(self.root))
        _check(table, self.class_names)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        splits = ", ".join(
            f"{split or 'not split'} {sum(classes.values())}"
            for split, classes in self.counts.items()
        )
        return (
            f"<Samples: {len(self)} images, {len(self.class_names)} classes "
            f"({', '.join(self.class_names)}); {splits}>"
        )

    @property
    def ids(self) -> np.ndarray:
        """Ids, shape `(n,)`, text."""
        return np.array(self.table["id"].tolist(), dtype=np.str_)

    @property
    def labels(self) -> np.ndarray:
        """Index into `class_names`, shape `(n,)`, int32."""
        index = {name: i for i, name in enumerate(self.class_names)}
        return self.table["label"].map(index).to_numpy(np.int32)

    @property
    def groups(self) -> np.ndarray:
        """Groups, shape `(n,)`, text."""
        return np.array(self.table["group"].tolist(), dtype=np.str_)

    @property
    def paths(self) -> list[Path]:
        """The image files, absolute."""
        if self.root is None:
            raise DataError(
                "This table of samples does not say where its images are; load it with "
                "Samples.load(path, root=folder), the folder that was given before."
            )
        root = self.root.absolute()
        return [root / path for path in self.table["path"]]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """`{split: {class: number of images}}` for the splits that occur."""
        counted = {}
        for split in (*SPLITS, ""):
            labels = self.table["label"][self.table["split"] == split]
            if len(labels):
                number = labels.value_counts()
                counted[split] = {c: int(number.get(c, 0)) for c in self.class_names}
        return counted

    @property
    def remarks(self) -> list[str]:
        """The notes as sentences for a person; empty where all was as expected."""
        return remarks(self.notes)

    def subset(self, split: str) -> "Samples":
        """The samples of one split, in table order; maybe none.

        Args:
            split: `"train"`, `"validation"` or `"test"`.
        """
        if split not in SPLITS:
            raise DataError(f"There is no split {split!r}. " + nearest(split, SPLITS))
        return self.take(np.flatnonzero(self.table["split"] == split))

    def take(self, index: Sequence[int] | np.ndarray) -> "Samples":
        """The samples at these positions, in this order.

        Args:
            index: Integer positions, or a boolean array of length `len(self)`.
        """
        index = np.asarray(index)
        if index.dtype == bool:
            if index.shape != (len(self),):
                raise DataError(
                    f"A boolean index must have shape ({len(self)},), one entry per "
                    f"sample; this one has {index.shape}."
                )
            index = np.flatnonzero(index)
        return replace(self, table=self.table.iloc[index.astype(np.intp)])

    def with_splits(self, splits: Mapping[str, str] | Sequence[str]) -> "Samples":
        """The same samples in other splits.

        Args:
            splits: `{id: split}` for every id, or one split per row.
        """
        if isinstance(splits, Mapping):
            unknown = [name for name in self.table["id"] if name not in splits]
            if unknown:
                raise DataError(
                    f"No split is given for {len(unknown)} samples: "
                    f"{first_of(unknown)}."
                )
            splits = [splits[name] for name in self.table["id"]]
        return replace(self, table=self.table.assign(split=list(splits)))

    def with_groups(self, groups: Groups) -> "Samples":
        """The same samples in other groups.

        Args:
            groups: A mapping from id to group, a function of the id, a regular
                expression, or a CSV file (see `kerakd.data.groups.assign_groups`).
        """
        found = assign_groups(self.table["id"].tolist(), groups)
        return replace(self, table=self.table.assign(group=found))

    def with_notes(self, **notes) -> "Samples":
        """The same samples with notes added or replaced."""
        return replace(self, notes={**self.notes, **notes})

    def save(self, path: str | os.PathLike) -> Path:
        """Write the table as CSV, with a JSON header of the same name beside it.

        Nothing that belongs to this machine is written: not `root` either.

        Args:
            path: The CSV file, e.g. `"runs/first/samples.csv"`.

        Returns:
            The path of the CSV file.
        """
        path = _csv_path(path)
        header = {
            "format": _FORMAT,
            "version": _VERSION,
            "class_names": list(self.class_names),
            "notes": self.notes,
        }
        # Neither file takes its name before the other is written out.
        with replacing(path) as table:
            self.table.to_csv(table, index=False, encoding="utf-8", lineterminator="\n")
            write_json(path.with_suffix(".json"), header)
        return path

    @classmethod
    def load(
        cls, path: str | os.PathLike, root: str | os.PathLike | None = None
    ) -> "Samples":
        """Read what `save` wrote.

        Args:
            path: The CSV file.
            root: The folder that holds the images on this machine. Without it all but
                `paths` can be used.

        Raises:
            DataError: A file is absent or damaged, or `root` lacks the images.
        """
        path = _csv_path(path)
        header = read_json(path.with_suffix(".json"))
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise DataError(
                f"{path.with_suffix('.json')} is not the header of a table of samples."
            )
        if header.get("version") != _VERSION:
            raise DataError(
                f"{path.with_suffix('.json')} has version {header.get('version')!r}; "
                f"this kerakd reads version {_VERSION}. Make the table anew."
            )
        try:
            # Class names such as "NA" or "007" are text, too.
            table = pd.read_csv(
                path,
                dtype=str,
                keep_default_na=False,
                na_filter=False,
                encoding="utf-8",
            )
            samples = cls(table, root, tuple(header["class_names"]), header["notes"])
        except FileNotFoundError:
            raise DataError(f"There is no table of samples {path}.") from None
        except DataError as error:
            raise DataError(f"{path} cannot be used: {error}") from None
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise DataError(
                f"{path} is not a table of samples ({error}); make it anew."
            ) from None
        if root is not None:
            samples.check_files()
        return samples

    def check_files(self) -> None:
        """Make sure that every image file exists below `root`.

        Raises:
            DataError: Some are missing (the first are named).
        """
        missing = [
            name
            for name, path in zip(self.table["id"], self.paths, strict=True)
            if not path.is_file()
        ]
        if missing:
            raise DataError(
                f"{len(missing)} of {len(self)} images are not below {self.root}: "
                f"{first_of(missing)}. Give the folder that the table was made from."
            )


def _csv_path(path: str | os.PathLike) -> Path:
    path = Path(path)
    if path.suffix.lower() != ".csv":
        raise DataError(f"A table of samples is a .csv file, not {path.name!r}.")
    return path


def _check(table: pd.DataFrame, class_names: tuple[str, ...]) -> None:
    twice = table["id"][table["id"].duplicated()].tolist()
    if twice:
        raise DataError(f"Ids must be unique; these occur twice: {first_of(twice)}.")
    if list(class_names) != sorted(set(class_names)):
        raise DataError(
            f"class_names must be sorted and distinct, not {list(class_names)}."
        )
    for label in table["label"].unique():
        if label not in class_names:
            raise DataError(
                f"The label {label!r} is none of the classes. "
                + nearest(label, class_names)
            )
    for split in table["split"].unique():
        if split not in (*SPLITS, ""):
            raise DataError(
                f"{split!r} is no split; a sample is in 'train', 'validation', 'test' "
                "or, as yet, in '' (none)."
            )
