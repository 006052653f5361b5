"""Pictures beside what the model said about them, the worst errors first."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kerakd.errors import DataError
from kerakd.report.style import INK, MUTED, percent, picture, plain, save, show_image


def choose_examples(
    labels: Any, predictions: Any, probabilities: Any, errors: int, correct: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which pictures a gallery shows.

    Args:
        labels: Class indices of shape (N,).
        predictions: Predicted class indices of shape (N,).
        probabilities: Shape (N, C), or (N,) of the predicted class.
        errors: How many wrong answers at most.
        correct: How many right answers at most.

    Returns:
        Indices of wrong answers, the most confident first; and of right answers, the
        classes in turn, each from its least to its most confident one.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    sure = _confidence(probabilities, predictions)
    wrong = np.flatnonzero(predictions != labels)
    wrong = wrong[np.argsort(-sure[wrong], kind="stable")][:errors]
    right = []
    classes = np.unique(labels[predictions == labels])
    each = -(-correct // max(1, len(classes)))
    for one in classes:
        rows = np.flatnonzero((labels == one) & (predictions == one))
        rows = rows[np.argsort(sure[rows], kind="stable")]
        # Evenly over the ranks: the least sure, the surest, and some between.
        picks = np.unique(np.linspace(0, len(rows) - 1, each).round().astype(int))
        right += [(turn, one, rows[pick]) for turn, pick in enumerate(picks)]
    chosen = [row for _, _, row in sorted(right)][:correct]
    return wrong, np.array(chosen, dtype=np.int64)


def plot_gallery(
    images: Sequence[Any],
    labels: Any,
    predictions: Any,
    probabilities: Any,
    class_names: Sequence[str],
    path: str | os.PathLike | None = None,
    *,
    errors: int = 6,
    correct: int = 6,
    columns: int = 6,
) -> Figure:
    """The most confident errors, and right answers of every class.

    Args:
        images: N pictures, (H, W, C) or (H, W) each, indexed only where they are shown,
            so that it may read files on demand.
        labels: Class indices of shape (N,).
        predictions: Predicted class indices of shape (N,).
        probabilities: Shape (N, C), or (N,) of the predicted class.
        class_names: The name of each class, by index.
        path: The PNG to write, or `None`.
        errors: How many wrong answers at most.
        correct: How many right answers at most.
        columns: Pictures in a row.

    Returns:
        The figure.

    Raises:
        DataError: The parts are not of one length, or empty.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    sizes = len(images), len(labels), len(predictions), len(probabilities)
    if len(set(sizes)) > 1 or sizes[0] == 0:
        raise DataError(
            "A gallery needs pictures, labels, predictions and probabilities of one "
            f"length; got {', '.join(map(str, sizes))}."
        )
    sure = _confidence(probabilities, predictions)
    wrong, right = choose_examples(labels, predictions, sure, errors, correct)
    total = int((predictions != labels).sum())
    parts = []
    if len(wrong):
        which = "all of them" if len(wrong) == total else f"the {len(wrong)} surest"
        parts.append((f"Wrong: {total} of {len(labels)}, {which}", wrong))
    if len(right):
        count = len(labels) - total
        parts.append((f"Right: {count} of {len(labels)}, examples", right))
    figure = _sheet(parts, columns)
    for axes, row in zip(
        figure.axes, np.concatenate([r for _, r in parts]), strict=True
    ):
        show_image(axes, images[row])
        _caption(
            axes,
            plain(class_names[predictions[row]], 18),
            plain(class_names[labels[row]], 18),
            sure[row],
            predictions[row] == labels[row],
        )
    save(figure, path)
    return figure


def _sheet(parts: list[tuple[str, np.ndarray]], columns: int) -> Figure:
    """A figure with a heading and empty panels for each part, laid out in inches."""
    tile, gap, heading, text = 1.6, 0.12, 0.36, 0.5
    rows = [-(-len(chosen) // columns) for _, chosen in parts]
    width = columns * (tile + gap)
    height = sum(heading + n * (tile + text) for n in rows)
    figure = picture(width, height)
    figure.set_layout_engine("none")
    top = height
    for (name, chosen), count in zip(parts, rows, strict=True):
        figure.text(
            0,
            (top - 0.08) / height,
            name,
            va="top",
            fontsize=12,
            fontweight="bold",
            color=INK,
        )
        top -= heading
        for k in range(len(chosen)):
            left = (k % columns) * (tile + gap)
            bottom = top - (k // columns + 1) * (tile + text) + text / 2
            figure.add_axes(
                (left / width, bottom / height, tile / width, tile / height)
            )
        top -= count * (tile + text)
    return figure


def _caption(axes: Axes, said: str, truth: str, sure: float, right: bool) -> None:
    axes.set_title(
        f"{'✓' if right else '✗'} {said} {percent(sure, 0)}",
        fontsize=9.5,
        fontweight="normal" if right else "bold",
        color=INK,
        loc="left",
        pad=3,
    )
    if not right:
        axes.set_xlabel(
            f"truth: {truth}", fontsize=9.5, color=MUTED, loc="left", labelpad=3
        )


def _confidence(probabilities: Any, predictions: np.ndarray) -> np.ndarray:
    probabilities = np.asarray(probabilities, np.float64)
    if probabilities.ndim == 1:
        return probabilities
    return probabilities[np.arange(len(predictions)), predictions]
