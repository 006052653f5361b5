"""The reliability diagram: accuracy against confidence."""

import os
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from kerakd.errors import DataError
from kerakd.report.lines import LINES
from kerakd.report.style import (
    INK,
    colour,
    dress,
    head,
    in_order,
    percent,
    picture,
    plain,
    save,
    title,
)

_STATES = {"as_it_is": "as it is", "scaled": "with its temperature"}


def plot_reliability(
    calibrations: Mapping[str, Mapping[str, Any]],
    path: str | os.PathLike | None = None,
) -> Figure:
    """Accuracy of the bins against their confidence, as it is and scaled.

    Args:
        calibrations: By model, what a run notes as `calibration`: by line of test
            images what `kerakd.evaluation.calibration` gives.
        path: The PNG to write, or `None`.

    Returns:
        The figure: a row for each line of test images, a column before and after
        scaling.

    Raises:
        DataError: No model has a calibration.
    """
    lines = [
        line for line in LINES if any(line in one for one in calibrations.values())
    ]
    if not lines:
        raise DataError("There is no calibration to draw; evaluate the models first.")
    # The float32 file would lie on the Keras student.
    twin = {"student_float32"} if "student" in calibrations else set()
    models = in_order(set(calibrations) - twin)
    figure = picture(9.6, 0.7 + 4.1 * len(lines))
    grid = figure.subplots(len(lines), 2, squeeze=False, sharex=True, sharey=True)
    for row, line in zip(grid, lines, strict=True):
        for axes, (state, called) in zip(row, _STATES.items(), strict=True):
            axes.plot(
                [0, 1], [0, 1], color="#8A8A8A", linewidth=1, linestyle=(0, (4, 3))
            )
            for model in models:
                known = (calibrations[model].get(line) or {}).get(state)
                if known:
                    _curve(axes, known, model)
            dress(axes, grid="both")
            head(axes, f"{LINES[line]}, {called}")
            axes.set_aspect("equal")
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(PercentFormatter(1, symbol=""))
    for axes in grid[-1]:
        axes.set_xlabel("Confidence (%)")
    for axes in grid[:, 0]:
        axes.set_ylabel("Accuracy (%)")
    for axes in grid.flat:
        axes.set_xlim(0, 1.02)
        axes.set_ylim(-0.02, 1.02)
    figure.legend(
        [Line2D([], [], color=colour(m), linewidth=3) for m in models],
        [plain(title(m)) for m in models],
        loc="outside lower center",
        ncols=min(len(models), 4),
        frameon=False,
        fontsize=10,
    )
    save(figure, path)
    return figure


def _curve(axes: Any, known: Mapping[str, Any], model: str) -> None:
    bins = known["bins"]
    total = sum(one["count"] for one in bins)
    x = [one["confidence"] for one in bins]
    y = [one["accuracy"] for one in bins]
    sizes = [12 + 220 * one["count"] / total for one in bins]
    axes.plot(x, y, color=colour(model), linewidth=1.2, alpha=0.7)
    axes.scatter(x, y, s=sizes, color=colour(model), alpha=0.75, linewidths=0)
    place = 0.955 - 0.065 * len(axes.texts)
    axes.plot(0.035, place - 0.015, "o", color=colour(model), transform=axes.transAxes)
    axes.text(
        0.065,
        place,
        f"ECE {percent(known['ece'])}",
        transform=axes.transAxes,
        fontsize=9,
        color=INK,
        va="top",
    )
