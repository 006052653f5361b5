"""Contact sheets: what was taken for copies, to be judged by eye."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from kerakd.data.audit.index import SYMMETRIES, turn
from kerakd.data.audit.marks import grey
from kerakd.data.decode import ImageError
from kerakd.files import replacing

if TYPE_CHECKING:
    from kerakd.data.audit.result import Audit

_SIDE = 144
_GAP = 8
_LINE = 15
_PAPER, _INK, _MUTED = "white", "#1A1A1A", "#5A5A5A"
_PAIRS = 48
_NAMES = (
    "audit_nearest.png",
    "audit_across_splits.png",
    "audit_contradictions.png",
    "audit_clusters.png",
)


def write_sheets(found: "Audit", folder: Path) -> list[Path]:
    """Draw the sheets that have something to show; remove those that no longer have.

    - `audit_nearest.png`: the pairs that came nearest to not being taken for copies;
    - `audit_across_splits.png`: near copies in two splits, evenly from worst to best;
    - `audit_contradictions.png`: copies with different labels;
    - `audit_clusters.png`: members of the largest clusters.

    Args:
        found: An audit that knows where its images are.
        folder: Where the sheets go.

    Returns:
        The files written.
    """
    pairs = found.pairs[found.pairs["kind"] == "near"]
    weakest = pairs.assign(weak=pairs[["detail", "local_detail"]].min(axis=1))
    weakest = weakest.sort_values("weak", kind="stable")
    across = weakest[~weakest["same_split"]]
    evenly = np.linspace(0, max(0, len(across) - 1), min(_PAIRS, len(across)))
    across = across.iloc[evenly.round().astype(int)]
    torn = found.pairs[~found.pairs["same_class"] & ~found.pairs["same_patient"]]
    torn = torn.iloc[:_PAIRS]
    titles = (
        "The weakest pairs that count as copies",
        "Copies in two splits, from the weakest to the strongest",
        "Copies that bear different labels",
        "Members of the largest clusters",
    )
    written = []
    drawn = (weakest.iloc[:_PAIRS], across, torn, _members(found))
    for name, title, what in zip(_NAMES, titles, drawn, strict=True):
        path = folder / name
        if not len(what):
            path.unlink(missing_ok=True)
            continue
        sheet = (
            cluster_sheet(found, what, title)
            if isinstance(what, list)
            else pair_sheet(found, what, title)
        )
        with replacing(path) as temporary:
            sheet.save(temporary, format="PNG")
        written.append(path)
    return written


def pair_sheet(
    found: "Audit", pairs: pd.DataFrame, title: str, columns: int = 4
) -> Image.Image:
    """Pairs beside each other, the second turned to lie on the first.

    Args:
        found: The audit that the pairs are from.
        pairs: Rows of `Audit.pairs`.
        title: What stands above.
        columns: Pairs in a row.
    """
    where = _where(found)
    width = 2 * _SIDE + 2 * _GAP
    height = _SIDE + 3 * _LINE + _GAP
    columns = max(1, min(columns, len(pairs)))
    sheet, pen = _paper(columns, width, height, len(pairs), title)
    for number, pair in enumerate(pairs.itertuples()):
        x, y = _place(number, columns, width, height)
        _paste(sheet, where[pair.id_a], (x, y))
        symmetry = SYMMETRIES.index(pair.symmetry)
        _paste(sheet, where[pair.id_b], (x + _SIDE + 1, y), symmetry)
        lines = (
            f"{number + 1}. {pair.symmetry}; detail {pair.detail:.2f}, "
            f"local {pair.local_detail:.2f}",
            _short(pair.id_a),
            _short(pair.id_b),
        )
        _write(pen, (x, y + _SIDE), lines)
    return sheet


def cluster_sheet(
    found: "Audit", clusters: Sequence[tuple[int, int, list[str]]], title: str
) -> Image.Image:
    """A row per cluster: number, size, and some members as they are in the files."""
    where = _where(found)
    columns = max(len(members) for _, _, members in clusters)
    width, height = _SIDE + _GAP, _SIDE + 2 * _LINE + _GAP
    rows = len(clusters)
    sheet, pen = _paper(columns, width, height, rows * columns, title)
    for row, (number, size, members) in enumerate(clusters):
        for column, name in enumerate(members):
            x, y = _place(row * columns + column, columns, width, height)
            _paste(sheet, where[name], (x, y))
            head = f"cluster {number}, {size} files" if not column else ""
            _write(pen, (x, y + _SIDE), (_short(name, 24), head))
    return sheet


def _members(found: "Audit") -> list[tuple[int, int, list[str]]]:
    sizes = found.images["cluster"].value_counts()
    largest = sizes[sizes > 2].sort_index().sort_values(ascending=False, kind="stable")
    chosen = []
    for number in largest.index[:8]:
        members = found.images["id"][found.images["cluster"] == number].tolist()
        picks = np.unique(np.linspace(0, len(members) - 1, 9).astype(int))
        chosen.append((int(number), len(members), [members[i] for i in picks]))
    return chosen


def _where(found: "Audit") -> dict[str, Path]:
    samples = found.samples
    return dict(zip(samples.ids.tolist(), samples.paths, strict=True))


def _paper(columns: int, width: int, height: int, count: int, title: str):
    rows = -(-count // columns)
    size = (columns * width + _GAP, rows * height + 2 * _GAP + 2 * _LINE)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, _GAP), title, fill=_INK, font=ImageFont.load_default(15))
    return sheet, pen


def _place(number: int, columns: int, width: int, height: int) -> tuple[int, int]:
    row, column = divmod(number, columns)
    return _GAP + column * width, 2 * _GAP + 2 * _LINE + row * height


def _paste(
    sheet: Image.Image, path: Path, place: tuple[int, int], symmetry: int = 0
) -> None:
    try:
        pixels = turn(grey(path, _SIDE), symmetry)
    except ImageError:  # gone since; the others are still worth seeing
        pixels = np.full((_SIDE, _SIDE), 128, np.uint8)
    sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)), place)


def _write(pen: ImageDraw.ImageDraw, place: tuple[int, int], lines) -> None:
    font = ImageFont.load_default(11)
    x, y = place
    for line, colour in zip(lines, (_INK, _MUTED, _MUTED), strict=False):
        pen.text((x, y + 2), line, fill=colour, font=font)
        y += _LINE


def _short(name: str, longest: int = 46) -> str:
    name = str(PurePosixPath(name))
    return name if len(name) <= longest else "…" + name[1 - longest :]
