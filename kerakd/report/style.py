"""How figures look: one colour for one model everywhere, and type that can be read."""

import io
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kerakd.files import replacing

# Okabe and Ito's palette, which readers of any colour vision can tell apart.
COLOURS = {
    "teacher": "#0072B2",
    "student": "#D55E00",
    "baseline": "#009E73",
    "student_float32": "#CC79A7",
    "student_int8": "#E69F00",
}
_TEACHERS = ("#0072B2", "#56B4E9", "#00466E", "#7FB9D9")
_OTHERS = ("#56B4E9", "#E69F00", "#7A7A7A")

TITLES = {
    "teacher": "Teacher",
    "student": "Student, distilled",
    "baseline": "Student, no teacher",
    "student_float32": "Student, LiteRT float32",
    "student_float16": "Student, LiteRT float16",
    "student_dynamic": "Student, LiteRT dynamic range",
    "student_int8": "Student, LiteRT int8",
}

_alone: ContextVar[bool] = ContextVar("alone", default=False)

INK = "#1A1A1A"
MUTED = "#5A5A5A"
GRID = "#E3E3E3"
DPI = 160


class Picture(Figure):
    """A Matplotlib figure that belongs to no global state and shows in a notebook."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight")
        return buffer.getvalue()


def picture(width: float, height: float) -> Picture:
    """An empty white figure of this size in inches, drawn without a window."""
    figure = Picture(figsize=(width, height), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | os.PathLike | None) -> None:
    """Write a figure as PNG, whole or not at all; do nothing where `path` is `None`."""
    if path is None:
        return
    with replacing(path) as temporary:
        # No time stamp or version in the file: the same run gives the same bytes.
        figure.savefig(
            temporary,
            format="png",
            dpi=DPI,
            metadata={"Software": None},
            bbox_inches="tight",
            pad_inches=0.12,
        )


def colour(model: str) -> str:
    """The colour of a model, the same in every figure and table."""
    if model in COLOURS:
        return COLOURS[model]
    numbered = re.fullmatch(r"teacher_(\d+)", model)
    if numbered:
        return _TEACHERS[int(numbered[1]) % len(_TEACHERS)]
    return _OTHERS[zlib.crc32(model.encode()) % len(_OTHERS)]


def without_teacher(metrics: Mapping[str, Any]) -> bool:
    """Whether a run has models and none of them is a teacher."""
    models = metrics.get("models") or {}
    return bool(models) and not any(name.startswith("teacher") for name in models)


@contextmanager
def named_for(metrics: Mapping[str, Any]) -> Iterator[None]:
    """Within this, `title` names models as befits the run that these metrics are of.

    Where nobody teaches, the student is a network like any other.
    """
    token = _alone.set(without_teacher(metrics))
    try:
        yield
    finally:
        _alone.reset(token)


def title(model: str) -> str:
    """What a model is called where people read it."""
    if _alone.get() and model.startswith("student"):
        text = TITLES.get(model, model.replace("_", " "))
        return re.sub("^Student(, distilled)?|^student", "Network", text)
    numbered = re.fullmatch(r"teacher_(\d+)", model)
    if numbered:
        return f"Teacher {int(numbered[1]) + 1}"
    return TITLES.get(model, model.replace("_", " "))


def in_order(models: Iterable[str]) -> list[str]:
    """Models as people expect them: teachers, student, baseline, exports, others."""
    known = list(COLOURS)

    def place(model: str) -> tuple[int, str]:
        if model.startswith("teacher"):
            return 0, model
        return (known.index(model) if model in known else len(known)), model

    return sorted(models, key=place)


def ink_on(paper: tuple[float, ...]) -> str:
    """Black or white, whichever is read better on this colour (RGB, 0..1).

    The contrast of the better one is at least 4.58, above the 4.5 that WCAG 2 asks for.
    """
    rgb = np.asarray(paper[:3])
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    return "black" if linear @ (0.2126, 0.7152, 0.0722) > 0.179 else "white"


def plain(text: Any, longest: int = 40) -> str:
    """A name from the user as Matplotlib may draw it: one line, no formulas."""
    text = " ".join(str(text).split())
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return text.replace("$", r"\$")


def percent(share: float, decimals: int = 1) -> str:
    """A share as text, never "100%" or "0%" for what is only nearly so."""
    least = 10.0**-decimals
    value = round(100 * share, decimals)
    if share < 1 and value >= 100:
        return f">{100 - least:.{decimals}f}%"
    if share > 0 and value <= 0:
        return f"<{least:.{decimals}f}%"
    return f"{value:.0f}%" if value in (0, 100) else f"{value:.{decimals}f}%"


def dress(axes: Axes, grid: str | None = "y") -> None:
    """The common look of a panel."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#8A8A8A")
    axes.tick_params(labelsize=9.5, colors=MUTED, labelcolor=INK)
    axes.xaxis.label.set(size=10.5, color=INK)
    axes.yaxis.label.set(size=10.5, color=INK)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=GRID, linewidth=0.8)


def head(axes: Axes, text: str) -> None:
    """A panel's title: bold, on the left."""
    axes.set_title(text, loc="left", fontsize=11.5, fontweight="bold", color=INK)


def show_image(axes: Axes, image: Any) -> None:
    """Draw a picture (H, W), (H, W, 1) or (H, W, 3) without ticks, whatever its range.

    Pixels are taken as 0..255. Where they cannot be (negative, none above 1, or more
    than 255) the picture's own range is spread over black to white.
    """
    pixels = np.asarray(image, np.float32)
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 255 or high <= 1:
        pixels = (pixels - low) * (255 / (high - low or 1))
    pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    axes.imshow(pixels, cmap="gray" if pixels.ndim == 2 else None, vmin=0, vmax=255)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#8A8A8A")
