"""Figures of compression: what a variant costs and keeps, which layers int8 harms."""

import os
from collections.abc import Mapping
from typing import Any

from kerakd.report.style import INK, MUTED, picture, save

_COLOURS = {
    "float32": "#CC79A7",
    "float16": "#56B4E9",
    "dynamic": "#009E73",
    "int8": "#E69F00",
    "int16x8": "#7A7A7A",
}
_LAYERS = 20


def draw_pareto(figures: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Accuracy (or Dice) of each variant over its size and over its time.

    Variants that no other beats in both are joined by a line. Without accuracy, time
    is drawn over size.

    Args:
        figures: What `kerakd.benchmark.benchmark_models` returned.
        path: The PNG to write.
    """
    variants = figures["variants"]
    threads = max(variants[0]["milliseconds"], key=int)
    size = [one["bytes"] / 1e6 for one in variants]
    time = [one["milliseconds"][threads]["median_ms"] for one in variants]
    score = next((k for k in ("accuracy", "dice") if k in variants[0]), None)
    time_label = f"ms for one image, {threads} threads (median)"
    if score is None:
        figure = picture(5.2, 3.8)
        _panel(figure.subplots(), variants, size, time, None, least=True)
        axes = figure.axes[0]
        axes.set_xlabel("MB", color=INK)
        axes.set_ylabel(time_label, color=INK)
    else:
        figure = picture(9.6, 3.8)
        left, right = figure.subplots(1, 2, sharey=True)
        value = [100 * one[score] for one in variants]
        spread = [one.get(f"{score}_interval") for one in variants]
        _panel(left, variants, size, value, spread)
        _panel(right, variants, time, value, spread)
        left.set_xlabel("MB", color=INK)
        right.set_xlabel(time_label, color=INK)
        word = "Accuracy" if score == "accuracy" else "Dice"
        left.set_ylabel(f"{word}, % (95% interval)", color=INK)
    save(figure, path)


def _panel(axes, variants, x, y, spread, least: bool = False) -> None:
    for row, one in enumerate(variants):
        colour = _COLOURS.get(one["mode"], MUTED)
        if spread and spread[row]:
            low, high = (100 * bound for bound in spread[row])
            axes.plot([x[row]] * 2, [low, high], color=colour, linewidth=1.2)
        axes.plot(x[row], y[row], "o", color=colour, markersize=7)
        axes.annotate(
            one["mode"] or one["name"],
            (x[row], y[row]),
            xytext=(6, 6),
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
    front = _front(x, y, least)
    axes.plot(
        [x[i] for i in front],
        [y[i] for i in front],
        color=MUTED,
        linewidth=0.8,
        linestyle="--",
        zorder=0,
    )
    axes.set_xlim(0, 1.2 * max(x))
    if least:
        axes.set_ylim(bottom=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=MUTED)


def _front(x: list[float], y: list[float], least: bool) -> list[int]:
    """Rows that no other row beats in both, from the smallest x on."""
    sign = -1 if least else 1
    best, front = float("-inf"), []
    for row in sorted(range(len(x)), key=lambda i: (x[i], -sign * y[i])):
        if sign * y[row] > best:
            best = sign * y[row]
            front.append(row)
    return front


def draw_layer_errors(sensitive: Mapping[str, Any], path: str | os.PathLike) -> None:
    """The layers that int8 harms most, and which of them were left in float.

    Args:
        sensitive: What stands under `sensitive` in the report of an export.
        path: The PNG to write.
    """
    layers = sensitive["layers"][:_LAYERS]
    kept = set(sensitive["float_tensors"])
    figure = picture(8.0, 0.6 + 0.24 * len(layers))
    axes = figure.subplots()
    colours = ["#D55E00" if one["tensor"] in kept else "#56B4E9" for one in layers]
    axes.barh(
        range(len(layers)),
        [100 * one["relative_error"] for one in layers],
        color=colours,
        height=0.7,
    )
    axes.set_yticks(range(len(layers)), [_short(one) for one in layers], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel(
        "error of the layer's output, % of its spread (orange: left in float)",
        color=INK,
    )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    save(figure, path)


def _short(layer: Mapping[str, Any]) -> str:
    """Operator and the last two parts of the first name of a fused tensor."""
    name = layer["tensor"].split(";")[0]
    return f"{layer['operator'].lower()}  {'/'.join(name.split('/')[-2:])}"[-60:]
