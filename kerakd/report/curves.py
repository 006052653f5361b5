"""Loss and accuracy over the epochs."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from kerakd.errors import DataError
from kerakd.report.style import (
    INK,
    colour,
    dress,
    head,
    in_order,
    picture,
    plain,
    save,
    title,
)


def plot_history(
    histories: Mapping[str, Any], path: str | os.PathLike | None = None
) -> Figure:
    """Loss and accuracy of training (dashed) and validation (solid), by model.

    Of a distilled student the loss on the labels (`student_loss`) is drawn where the
    history has it: its total loss holds the distillation terms, which validation has
    not, so the two could not be compared.

    Args:
        histories: By model name, a table or dict of equally long columns: `loss`,
            `val_loss`, `accuracy`, `val_accuracy`, and `epoch` where it is known.
            Columns that are missing are left out.
        path: The PNG to write, or `None`.

    Returns:
        The figure.

    Raises:
        DataError: No history has a loss or an accuracy.
    """
    curves = {model: _columns(histories[model]) for model in in_order(histories)}
    if not any(c["loss"] or c["accuracy"] for c in curves.values()):
        raise DataError(
            "No history has a column 'loss' or 'accuracy'; give the tables that "
            "training wrote."
        )
    figure = picture(10, 4.1)
    loss, accuracy = figure.subplots(1, 2)
    for axes, kind in ((loss, "loss"), (accuracy, "accuracy")):
        for model, columns in curves.items():
            for part, (epochs, values) in columns[kind].items():
                _line(axes, epochs, values, model, part == "validation")
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        dress(axes, grid="both")
    _scale_losses(loss)
    head(loss, "Loss on the labels")
    head(accuracy, "Accuracy")
    accuracy.set_ylabel("Accuracy (%)")
    accuracy.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.4g}"))
    if accuracy.lines:
        low, high = accuracy.get_ylim()
        accuracy.set_ylim(max(0.0, low), min(1.0 + 0.03 * (1 - low), high))
    _legend(figure, list(curves))
    save(figure, path)
    return figure


def _columns(history: Any) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    names = list(history)
    accuracy = next(
        (n for n in names if n.endswith("accuracy") and not n.startswith("val_")), None
    )
    wanted = {
        "loss": {
            "training": "student_loss" if "student_loss" in names else "loss",
            "validation": (
                "val_student_loss" if "val_student_loss" in names else "val_loss"
            ),
        },
        "accuracy": {"training": accuracy, "validation": f"val_{accuracy}"},
    }
    found = {}
    for kind, parts in wanted.items():
        found[kind] = {}
        for part, name in parts.items():
            if name not in names:
                continue
            values = np.asarray(history[name], np.float64)
            epochs = (
                np.asarray(history["epoch"], np.float64)
                if "epoch" in names
                else np.arange(1, len(values) + 1)
            )
            if np.isfinite(values).any():
                found[kind][part] = (epochs, values)
    return found


def _line(
    axes: Axes, epochs: np.ndarray, values: np.ndarray, model: str, validation: bool
) -> None:
    axes.plot(
        epochs,
        values,
        color=colour(model),
        linestyle="-" if validation else (0, (4, 2)),
        linewidth=2.0 if validation else 1.3,
        alpha=1.0 if validation else 0.75,
        # A single epoch is a point: a line of one point would not be seen.
        marker="o" if len(values) < 8 else None,
        markersize=5,
        markerfacecolor=None if validation else "white",
        label=f"{plain(title(model))}, {'validation' if validation else 'training'}",
    )


def _scale_losses(axes: Axes) -> None:
    values = np.concatenate([line.get_ydata() for line in axes.lines] or [[]])
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 50 * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.3g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel("Cross-entropy (nats, log scale)")
    else:
        axes.set_ylim(bottom=min(0.0, values.min()) if len(values) else None)
        axes.set_ylabel("Cross-entropy (nats)")


def _legend(figure: Figure, models: list[str]) -> None:
    handles = [Line2D([], [], color=colour(m), linewidth=3) for m in models]
    labels = [plain(title(m)) for m in models]
    handles += [
        Line2D([], [], color=INK, linewidth=2),
        Line2D([], [], color=INK, linewidth=1.3, linestyle=(0, (4, 2))),
    ]
    labels += ["validation", "training"]
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(len(labels), 5),
        frameon=False,
        fontsize=10,
    )
