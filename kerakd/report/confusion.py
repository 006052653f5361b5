"""The confusion matrix as a heat map."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from kerakd.errors import DataError
from kerakd.report.style import (
    INK,
    MUTED,
    dress,
    head,
    ink_on,
    percent,
    picture,
    plain,
    save,
)

_MOST_WITH_SHARE = 12
_MOST_WITH_COUNT = 25


def plot_confusion(
    matrix: Any,
    class_names: Sequence[str],
    path: str | os.PathLike | None = None,
    *,
    heading: str = "Confusion matrix",
) -> Figure:
    """Counts and row percentages; a row is a true class, a column what was said.

    The colour is the share of the row, so that a rare class is as visible as a common
    one. Above 12 classes only the counts are written, above 25 only the colour is
    shown.

    Args:
        matrix: Counts (or summed weights) of shape (C, C).
        class_names: The C names, by index.
        path: The PNG to write, or `None`.
        heading: What stands above it.

    Returns:
        The figure.

    Raises:
        DataError: The matrix is not square or not of these classes.
    """
    matrix = np.asarray(matrix, np.float64)
    count = len(class_names)
    if matrix.shape != (count, count):
        raise DataError(
            f"A confusion matrix of {count} classes has the shape {(count, count)}; "
            f"got {matrix.shape}."
        )
    rows = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, rows, out=np.zeros_like(matrix), where=rows > 0)

    side = float(np.clip(1.5 + 0.95 * count, 4.4, 11))
    figure = picture(side, side)
    axes = figure.subplots()
    heat = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    names = [plain(name, 22) for name in class_names]
    slanted = count > 6 or max(map(len, names)) > 11
    axes.set_xticks(
        range(count),
        names,
        rotation=35 if slanted else 0,
        ha="right" if slanted else "center",
        rotation_mode="anchor" if slanted else None,
    )
    axes.set_yticks(range(count), names)
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class")
    dress(axes, grid=None)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    # White lines between the cells.
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
    head(axes, heading)
    if count <= _MOST_WITH_COUNT:
        _write_cells(axes, heat, matrix, share, rows[:, 0] > 0)
    if count > _MOST_WITH_SHARE:
        bar = figure.colorbar(heat, ax=axes, shrink=0.8, pad=0.02)
        bar.set_label("Share of the true class (%)", size=10, color=INK)
        bar.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100"])
        bar.ax.tick_params(labelsize=9, length=0)
        bar.outline.set_visible(False)
    save(figure, path)
    return figure


def _write_cells(
    axes: Axes,
    heat: AxesImage,
    matrix: np.ndarray,
    share: np.ndarray,
    known: np.ndarray,
) -> None:
    count = len(matrix)
    whole = np.array_equal(matrix, np.rint(matrix))
    for i in range(count):
        for j in range(count):
            number = f"{matrix[i, j]:.0f}" if whole else f"{matrix[i, j]:.1f}"
            ink = ink_on(heat.cmap(heat.norm(share[i, j]))) if matrix[i, j] else MUTED
            if count > _MOST_WITH_SHARE or not matrix[i, j]:
                text = number if known[i] else "\u2013"
                axes.text(j, i, text, ha="center", va="center", color=ink, fontsize=9.5)
                continue
            bold = "bold" if i == j else "normal"
            axes.annotate(
                number,
                (j, i),
                (0, 1),
                textcoords="offset points",
                ha="center",
                va="bottom",
                color=ink,
                fontsize=13,
                fontweight=bold,
            )
            axes.annotate(
                percent(share[i, j]),
                (j, i),
                (0, -2),
                textcoords="offset points",
                ha="center",
                va="top",
                color=ink,
                fontsize=9,
            )
