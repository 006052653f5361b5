"""The audit as an object: tables, numbers and files."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from kerakd.data.samples import Samples
from kerakd.errors import DataError
from kerakd.files import read_json, replacing, write_json

PAIR_COLUMNS = (
    "id_a",
    "id_b",
    "kind",
    "symmetry",
    "correlation",
    "detail",
    "local_detail",
    "same_class",
    "same_split",
    "same_patient",
)
_FORMAT = "kerakd audit"
_VERSION = 1
_FILES = ("audit.json", "audit_pairs.csv", "clusters.csv")


@dataclass(frozen=True, eq=False, repr=False)
class Audit:
    """What was found in a data set.

    Args:
        images: A row per image with `id`, `cluster` (copies of one picture have one
            number), `group` (patient and clusters joined), `label`, `split`.
        pairs: A row per pair of copies: `id_a`, `id_b`, `kind` (`"exact"`: the same
            pixels; `"near"`), `symmetry` (how b is turned to lie on a), `correlation`
            (of thumbnails of 32 pixels), `detail` and `local_detail` (of band-passed
            pictures of 128 pixels, whole and 10th percentile over blocks),
            `same_class`, `same_split`, `same_patient` (False where no patients are
            known). Of m files with the same pixels the first is
            paired with the m - 1 others, and stands for all of them in near pairs.
        summary: All numbers, JSON-able; `summary["findings"]` are the sentences.
        samples: The table that was audited; None after `load`.
    """

    images: pd.DataFrame
    pairs: pd.DataFrame
    summary: dict
    samples: Samples | None = field(default=None)

    def __repr__(self) -> str:
        numbers = self.summary["copies"]
        return (
            f"<Audit: {len(self.images)} images, {numbers['distinct']} distinct "
            f"pictures, {len(self.pairs)} pairs of copies>"
        )

    @property
    def clusters(self) -> dict[str, int]:
        """`{id: number}`: images with the same number are copies of one picture."""
        return dict(
            zip(self.images["id"], map(int, self.images["cluster"]), strict=True)
        )

    @property
    def sentences(self) -> list[str]:
        """The findings in plain words, the gravest first."""
        return [finding["text"] for finding in self.summary["findings"]]

    @property
    def warnings(self) -> list[str]:
        """Those findings that call for something to be done."""
        return [
            finding["text"]
            for finding in self.summary["findings"]
            if finding["level"] == "warning"
        ]

    def save(
        self,
        folder: str | os.PathLike,
        sheets: bool = True,
        told: Callable[[Path], None] = lambda _: None,
    ) -> Path:
        """Write `audit.json`, `audit_pairs.csv`, `clusters.csv` and contact sheets.

        `clusters.csv` has the columns `id`, `cluster` and `group`, so that it can be
        given as `groups` (`--groups`) wherever groups are taken.

        Args:
            folder: Where they go; files of an earlier audit are replaced.
            sheets: Whether to draw contact sheets, which needs the images.
            told: Called with the path of every file.

        Returns:
            The folder.
        """
        folder = Path(folder)
        report, pairs, clusters = (folder / name for name in _FILES)
        columns = ["id", "cluster", "group", "label", "split"]
        for path, table in ((pairs, self.pairs), (clusters, self.images[columns])):
            with replacing(path) as temporary:
                table.to_csv(
                    temporary,
                    index=False,
                    encoding="utf-8",
                    lineterminator="\n",
                    float_format="%.4f",
                )
            told(path)
        if sheets and self.samples is not None:
            from kerakd.data.audit.sheets import write_sheets

            for path in write_sheets(self, folder):
                told(path)
        # Last, so that where it lies the others do.
        content = {"format": _FORMAT, "version": _VERSION, **self.summary}
        told(write_json(report, content))
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "Audit":
        """Read what `save` wrote; the images themselves are not needed.

        Args:
            folder: The folder, or its `audit.json`.

        Raises:
            DataError: A file is absent or damaged.
        """
        folder = Path(folder)
        if folder.name == _FILES[0]:
            folder = folder.parent
        report, pairs, clusters = (folder / name for name in _FILES)
        summary = read_json(report)
        if not isinstance(summary, dict) or summary.pop("format", None) != _FORMAT:
            raise DataError(f"{report} is no audit; make it with `kerakd audit`.")
        version = summary.pop("version", None)
        if version != _VERSION:
            raise DataError(
                f"{report} has version {version!r}; this kerakd reads version "
                f"{_VERSION}. Make the audit anew."
            )
        images = _read(clusters, ("id", "cluster", "group", "label", "split"))
        found = _read(pairs, PAIR_COLUMNS)
        try:
            images["cluster"] = images["cluster"].astype("int64")
            for name in ("correlation", "detail", "local_detail"):
                found[name] = found[name].astype("float64")
            for name in ("same_class", "same_split", "same_patient"):
                found[name] = found[name].map({"True": True, "False": False})
        except ValueError as error:
            raise DataError(
                f"The tables in {folder} are damaged ({error}); make the audit anew."
            ) from None
        return cls(images, found, summary)


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, na_filter=False, encoding="utf-8"
        )
    except FileNotFoundError:
        raise DataError(
            f"There is no {path.name} in {path.parent}; make the audit anew."
        ) from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}); make it anew.") from None
    if missing := [name for name in columns if name not in table.columns]:
        raise DataError(f"{path} lacks the column {missing[0]}; make the audit anew.")
    return table[list(columns)]
