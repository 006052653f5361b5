"""Heat maps of teacher and student, drawn over the pictures that they are about."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from kerakd.errors import DataError
from kerakd.explain.names import TITLES
from kerakd.report.style import (
    INK,
    MUTED,
    colour,
    dress,
    head,
    percent,
    picture,
    plain,
    save,
    show_image,
)

# Even in lightness, and read alike by every colour vision.
COLOUR_MAP = "viridis"
_OPACITY = 0.55
_ROLES = ("teacher", "student")
_TILE = 1.42


@dataclass(frozen=True, eq=False)
class Case:
    """One picture, and where two networks look in it.

    Attributes:
        picture: Pixels (H, W, C) or (H, W).
        title: What stands beside it, such as its class.
        answers: By `"teacher"` and `"student"`: the class said and its probability.
        maps: By role and method, a map of the whole picture, of any size, 0..1.
        likeness: By method, the rank correlation of both maps; NaN where one is
            constant.
        mask: What a person marked, of any size (h, w); `None` where nobody did.
    """

    picture: np.ndarray
    title: str
    answers: Mapping[str, tuple[str, float]]
    maps: Mapping[str, Mapping[str, np.ndarray]]
    likeness: Mapping[str, float] = field(default_factory=dict)
    mask: np.ndarray | None = None


def show_heat(
    axes: Axes, image: Any, heat: np.ndarray | None, mask: np.ndarray | None = None
) -> None:
    """A picture in grey with a heat map over it, and the outline of a mask.

    Args:
        axes: The panel.
        image: As for `show_image`.
        heat: A map of any size, 0..1; `None` for the picture alone.
        mask: Of any size (h, w).
    """
    pixels = np.asarray(image, np.float32)
    if heat is not None and pixels.ndim == 3 and pixels.shape[-1] == 3:
        # Colours of the picture would be read as heat.
        pixels = pixels @ np.float32([0.299, 0.587, 0.114])
    show_image(axes, pixels)
    height, width = pixels.shape[:2]
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    if heat is not None:
        axes.imshow(
            heat,
            cmap=COLOUR_MAP,
            vmin=0,
            vmax=1,
            alpha=_OPACITY,
            extent=extent,
            interpolation="bilinear",
        )
    if mask is not None:
        rows, columns = mask.shape
        axes.contour(
            (np.arange(columns) + 0.5) * width / columns - 0.5,
            (np.arange(rows) + 0.5) * height / rows - 0.5,
            np.asarray(mask, np.float32),
            levels=[0.5],
            colors="white",
            linewidths=1.1,
        ).set(
            path_effects=[patheffects.withStroke(linewidth=2.4, foreground="#101010")]
        )
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def plot_summary(
    cases: Sequence[Case],
    methods: Sequence[str],
    path: str | os.PathLike | None = None,
    names: Mapping[str, str] | None = None,
) -> Figure:
    """A grid: for each case the picture, and teacher above student by each method.

    Args:
        cases: What is shown, such as one case of each class.
        methods: Names of methods, in columns; where a network has no map by one, its
            panel says so.
        path: The PNG to write, or `None`.
        names: What the two networks are called, by role.

    Returns:
        The figure.

    Raises:
        DataError: There are no cases or methods.
    """
    if not cases or not methods:
        raise DataError("There is nothing to show: give cases and methods.")
    names = {"teacher": "Teacher", "student": "Student", **(names or {})}
    width = _TILE * (2.1 + len(methods)) + 0.5
    figure = picture(width, len(cases) * (2 * _TILE + 0.85) + 0.7)
    # The third row of each case is air for the words above and below its picture.
    grid = figure.add_gridspec(
        3 * len(cases),
        1 + len(methods),
        width_ratios=[2.1, *[1] * len(methods)],
        height_ratios=[1, 1, 0.12] * len(cases),
    )
    for number, case in enumerate(cases):
        first = figure.add_subplot(grid[3 * number : 3 * number + 2, 0])
        show_heat(first, case.picture, None, case.mask)
        first.set_title(case.title, fontsize=11.5, fontweight="bold", color=INK)
        said = [
            f"{names[role]}: {plain(case.answers[role][0], 20)} "
            f"{percent(case.answers[role][1])}"
            for role in _ROLES
            if role in case.answers
        ]
        first.set_xlabel("\n".join(said), fontsize=9.5, color=INK)
        heat_rows(
            [
                [
                    figure.add_subplot(grid[3 * number + row, 1 + column])
                    for column in range(len(methods))
                ]
                for row in range(2)
            ],
            case,
            methods,
            titled=number == 0,
        )
    _scale(figure, any(case.mask is not None for case in cases))
    save(figure, path)
    return figure


def heat_rows(
    panels: Sequence[Sequence[Axes]],
    case: Case,
    methods: Sequence[str],
    titled: bool = True,
    beside: bool = False,
) -> None:
    """Fill two rows of panels, the teacher's above the student's or beside it."""
    for role, row in zip(_ROLES, panels, strict=True):
        for column, (axes, method) in enumerate(zip(row, methods, strict=True)):
            heat = case.maps[role].get(method)
            show_heat(axes, case.picture, heat, case.mask if heat is not None else None)
            if heat is None:
                axes.images[0].set_alpha(0.25)
                axes.text(
                    0.5,
                    0.5,
                    "not for\nthis network",
                    transform=axes.transAxes,
                    ha="center",
                    va="center",
                    fontsize=9,
                    color=INK,
                )
            if column == 0:
                axes.set_ylabel(
                    role.capitalize(),
                    fontsize=10.5,
                    color=colour(role),
                    fontweight="bold",
                )
            if titled and (beside or role == "teacher"):
                axes.set_title(TITLES.get(method, method), fontsize=10, color=INK)
            if role == "student" and method in case.likeness:
                axes.set_xlabel(
                    _alike(case.likeness[method]), fontsize=9, color=MUTED, labelpad=2
                )


def plot_attention(
    method: str,
    rows: Sequence[tuple[str, Sequence[Case]]],
    path: str | os.PathLike | None = None,
    heading: str = "",
) -> Figure:
    """One method: for each class some cases, each as picture, teacher, student.

    Args:
        method: The method's name.
        rows: (class name, cases).
        path: The PNG to write, or `None`.
        heading: What stands above, such as the agreement over the whole set.

    Returns:
        The figure.

    Raises:
        DataError: There are no cases.
    """
    most = max((len(cases) for _, cases in rows), default=0)
    if most == 0:
        raise DataError("There is nothing to show: give cases.")
    figure = picture(most * (3 * _TILE + 0.25) + 0.4, len(rows) * (_TILE + 0.72) + 0.9)
    widths = [1, 1, 1, 0.16] * most
    grid = figure.add_gridspec(len(rows), 4 * most, width_ratios=widths)
    for number, (name, cases) in enumerate(rows):
        for place, case in enumerate(cases):
            panels = [
                figure.add_subplot(grid[number, 4 * place + column])
                for column in range(3)
            ]
            heats = [None, *(case.maps[role].get(method) for role in _ROLES)]
            for axes, heat in zip(panels, heats, strict=True):
                show_heat(axes, case.picture, heat, case.mask)
            panels[0].set_title(
                plain(case.title, 18), fontsize=9.5, color=INK, loc="left"
            )
            panels[0].set_xlabel(
                _alike(case.likeness.get(method, np.nan)),
                fontsize=9,
                color=MUTED,
                labelpad=2,
            )
            if place == 0:
                panels[0].set_ylabel(
                    plain(name, 16), fontsize=10.5, fontweight="bold", color=INK
                )
            for role, axes in zip(_ROLES, panels[1:], strict=True):
                axes.set_title(
                    role.capitalize(), fontsize=9.5, color=colour(role), loc="left"
                )
                if role in case.answers:
                    axes.set_xlabel(
                        plain(case.answers[role][0], 14),
                        fontsize=9,
                        color=INK,
                        labelpad=2,
                    )
    title = TITLES.get(method, method)
    figure.suptitle(
        f"{title}: {heading}" if heading else title,
        x=0.01,
        ha="left",
        fontsize=12.5,
        fontweight="bold",
        color=INK,
    )
    _scale(figure, any(case.mask is not None for _, cases in rows for case in cases))
    save(figure, path)
    return figure


def plot_model(
    pictures: np.ndarray,
    answers: Sequence[tuple[str, str, float]],
    maps: Mapping[str, np.ndarray],
    path: str | os.PathLike | None = None,
) -> Figure:
    """Pictures in rows, and one network's heat maps of them in columns.

    Args:
        pictures: (B, H, W, C).
        answers: Of each its name, the class said, and its probability.
        maps: By method, (B, h, w).
        path: The PNG to write, or `None`.
    """
    columns = 1 + len(maps)
    figure = picture(columns * 1.9 + 0.3, len(pictures) * 2.3 + 0.6)
    grid = figure.subplots(len(pictures), columns, squeeze=False)
    for row, (panels, (name, said, sure)) in enumerate(zip(grid, answers, strict=True)):
        show_heat(panels[0], pictures[row], None)
        panels[0].set_title(plain(name, 24), fontsize=10, color=INK)
        panels[0].set_xlabel(f"{plain(said, 22)} {percent(sure)}", fontsize=10)
        for axes, (method, found) in zip(panels[1:], maps.items(), strict=True):
            show_heat(axes, pictures[row], found[row])
            axes.set_title(TITLES.get(method, method), fontsize=10, color=INK)
    _scale(figure, False)
    save(figure, path)
    return figure


def plot_faithfulness(
    figures: Mapping[str, Mapping[str, Any]], path: str | os.PathLike | None = None
) -> Figure:
    """Curves of deletion and insertion by method, of each network.

    Args:
        figures: By role, what `kerakd.explain.faithfulness` gave, with curves.
        path: The PNG to write, or `None`.

    Returns:
        The figure.
    """
    figure = picture(13.5, 3.3 * len(figures) + 0.3)
    panels = figure.subplots(len(figures), 2, squeeze=False)
    for row, (role, found) in zip(panels, figures.items(), strict=True):
        shares = np.asarray(found["shares"])
        for axes, kind in zip(row, ("deletion", "insertion"), strict=True):
            for number, (method, one) in enumerate(found["methods"].items()):
                area = one[kind]["area"]["mean"]
                axes.plot(
                    shares,
                    one[kind]["curve"],
                    color=_LINES[number % len(_LINES)],
                    linestyle=_DASHES[number // len(_LINES) % len(_DASHES)],
                    linewidth=1.6,
                    label=f"{TITLES.get(method, method)} {area:.2f}",
                )
            chance = found["random"][kind]
            axes.plot(
                shares,
                chance["curve"],
                color=INK,
                linestyle=":",
                linewidth=2,
                label=f"random pixels {chance['area']['mean']:.2f}",
            )
            better = "lower" if kind == "deletion" else "higher"
            head(axes, f"{role.capitalize()}: {kind}, {better} is better")
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1.02)
            axes.set_xlabel(
                "Share of pixels "
                + ("taken away" if kind == "deletion" else "given back")
            )
            axes.set_ylabel("Mean probability of the class")
            dress(axes)
            axes.legend(
                fontsize=9,
                frameon=False,
                title="Area under the curve",
                loc="center left",
                bbox_to_anchor=(1.01, 0.5),
            )
    save(figure, path)
    return figure


_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A7A7A")
_DASHES = ("-", "--")


def _alike(correlation: float) -> str:
    if not np.isfinite(correlation):
        return "a map is empty"
    return f"rank correlation {correlation:.2f}".replace("-", "\N{MINUS SIGN}")


def _scale(figure: Figure, outlined: bool) -> None:
    """What the colours mean, below."""
    bar = figure.colorbar(
        ScalarMappable(cmap=COLOUR_MAP),
        ax=figure.axes,
        orientation="horizontal",
        location="bottom",
        fraction=0.012,
        pad=0.012,
        aspect=60,
        shrink=0.4,
    )
    bar.set_ticks([0, 1], labels=["least of the map", "most"])
    bar.ax.tick_params(labelsize=9, colors=MUTED, labelcolor=INK, length=0)
    bar.outline.set_visible(False)
    if outlined:
        bar.set_label("White outline: the tumour as marked by hand", fontsize=9)
