"""The report of a segmentation run: distribution, overlays, the worst cases."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from kerakd.errors import DataError
from kerakd.files import write_text
from kerakd.report import page
from kerakd.report.style import INK, colour, dress, head, in_order, picture, save, title

_HEADINGS = (
    "Model",
    "Dice (95% interval)",
    "Median",
    "HD95 (mm)",
    "Surface Dice",
    "Lesion-wise Dice",
    "Sensitivity",
    "Parameters",
    "MB",
    "ms a slice",
)


_EXPORTS = (
    "File",
    "Mode",
    "MB",
    "Region",
    "Dice (95% interval)",
    "Less Keras's",
    "Same voxels",
)


def plot_dice(
    dices: Mapping[str, Sequence[float]],
    path: str | os.PathLike | None = None,
    *,
    heading: str = "Dice of each test patient",
) -> Figure:
    """One row of points for each model, a point for each patient, a bar at the mean.

    Args:
        dices: `{model: one value for each patient}`, 0 to 1; NaN is left out.
        path: The PNG to write, or None.
        heading: What stands above.

    Returns:
        The figure.

    Raises:
        DataError: There is nothing to draw.
    """
    models = in_order(dices)
    known = {m: np.asarray(dices[m], float) for m in models}
    known = {m: values[~np.isnan(values)] for m, values in known.items()}
    if not models or not any(len(values) for values in known.values()):
        raise DataError("There is no Dice to draw; test some cases first.")
    figure = picture(7.2, 1.1 + 0.75 * len(models))
    axes = figure.subplots()
    for row, model in enumerate(reversed(models)):
        values = np.sort(known[model])
        if not len(values):
            continue
        # Spread by rank, not by chance: the same figures, the same picture.
        spread = 0.22 * (np.arange(len(values)) % 5 - 2) / 2
        axes.plot(
            values,
            row + spread,
            "o",
            color=colour(model),
            alpha=0.75,
            markersize=5,
            markeredgewidth=0,
        )
        axes.plot(
            [values.mean()] * 2, [row - 0.34, row + 0.34], color=INK, linewidth=1.6
        )
    axes.set_yticks(range(len(models)), [title(m) for m in reversed(models)])
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("Dice of the whole patient in 3-D; the bar is the mean")
    dress(axes, "x")
    head(axes, heading)
    save(figure, path)
    return figure


def model_rows(metrics: Mapping[str, Any], region: str) -> list[list[str]]:
    """Rows of the table of models, as text.

    Args:
        metrics: What is in `metrics.json`.
        region: `"WT"`, `"TC"` or `"ET"`.
    """
    rows = []
    for model in in_order(metrics["models"]):
        known = metrics["models"][model]
        test = known.get("test", {}).get(region)
        if test is None:
            continue
        low, high = test["dice"]["interval"] or (float("nan"),) * 2
        rows.append(
            [
                title(model),
                f"{_text(test['dice']['mean'], 4)} ({low:.3f} to {high:.3f})",
                _text(test["dice"]["median"], 4),
                _text(test["hd95"]["mean"], 2),
                _text(test["surface_dice"]["mean"], 4),
                _text(test["lesion_dice"]["mean"], 4),
                _text(test["sensitivity"]["mean"], 4),
                f"{known['parameters']:,}",
                f"{known['megabytes']:.2f}",
                f"{known['ms_per_slice']:.1f}",
            ]
        )
    return rows


def headings() -> tuple[str, ...]:
    """Those of `model_rows`."""
    return _HEADINGS


def export_rows(metrics: Mapping[str, Any]) -> list[list[str]]:
    """The table of exported files as text, its headings first; empty without any.

    Args:
        metrics: What is in `metrics.json`.
    """
    rows = []
    for mode, told in (metrics.get("export") or {}).items():
        for region, known in (told.get("regions") or {}).items():
            dice = known["dice"]
            low, high = dice["interval"] or (float("nan"),) * 2
            moved = told["difference"][region]["dice"]["mean"]
            rows.append(
                [
                    told["file"],
                    mode,
                    f"{told['bytes'] / 1e6:.2f}",
                    region,
                    f"{_text(dice['mean'], 4)} ({low:.3f} to {high:.3f})",
                    _text(moved, 4),
                    f"{told['voxel_agreement']['student']:.4%}",
                ]
            )
    return [list(_EXPORTS), *rows] if rows else []


def write_segmentation_report(
    folder: str | os.PathLike, metrics: Mapping[str, Any]
) -> Path:
    """Write `report.html` from a run's metrics and the figures in `figures/`.

    Args:
        folder: The run folder.
        metrics: What is in its `metrics.json`.
    """
    folder = Path(folder)
    data, about = metrics["data"], metrics["segmentation"]
    top = "<header>" + page.join(
        f"<h1>{page.escape(metrics['name'])}</h1>",
        page.paragraph(
            "Segmentation of brain tumours, per patient and in 3-D. Research use only, "
            "not a medical device.",
            "device",
        ),
    )
    top += "</header>"
    sections = [
        page.section("warnings", "What to know first", _warnings(metrics["warnings"])),
        *(
            page.section(
                f"models-{region}",
                f"Models on the test patients: {region}",
                page.table(_HEADINGS, model_rows(metrics, region)),
            )
            for region in _regions(metrics)
        ),
        page.section(
            "figures",
            "Pictures",
            page.join(
                *(
                    page.figure(folder / "figures" / f"{name}.png", alt, alt, True)
                    for name, alt in _FIGURES.items()
                )
            ),
        ),
        page.section("exports", "Files for a phone", _exports(metrics)),
        page.section("seeds", "Over seeds", _seeds(metrics)),
        page.section("bad", "Cases left out", _bad(data["bad_cases"])),
        page.section(
            "how",
            "How it was done",
            page.join(
                page.entries(
                    {
                        "command": metrics["command"],
                        "data": data["source"],
                        "patients": data["patients"],
                        "cases": data["cases"],
                        "slices": data["slices"],
                        **about,
                        "distillation": metrics["distillation"]["losses"],
                        "weight of the masks": metrics["distillation"][
                            "student_loss_weight"
                        ],
                        "machine": metrics["machine"],
                        "seconds": metrics["seconds"],
                    }
                ),
            ),
        ),
    ]
    body = top + "<main>" + page.join(*sections) + "</main>"
    return write_text(folder / "report.html", page.document(metrics["name"], body))


_FIGURES = {
    "dice": "Dice of each test patient, for each model",
    "overlays": "Image, truth, teacher and student, and where the two differ",
    "worst": "The five patients on which the student is worst",
    "history": "Loss by epoch",
}


def _regions(metrics: Mapping[str, Any]) -> list[str]:
    return list(metrics["models"]["teacher"].get("test", {}))


def _warnings(lines: Sequence[str]) -> str:
    if not lines:
        return page.paragraph("Nothing unusual was seen in the data.")
    return page.join(*(page.paragraph(line, "warning") for line in lines))


def _seeds(metrics: Mapping[str, Any]) -> str:
    rows = []
    for model in in_order(metrics["models"]):
        told = metrics["models"][model].get("over_seeds")
        if told:
            each = ", ".join(f"{s}: {d:.4f}" for s, d in told["dice"].items())
            rows.append(
                [
                    title(model),
                    f"{told['dice_mean']:.4f}",
                    f"{told['dice_sd']:.4f}",
                    each,
                ]
            )
    if not rows:
        return page.paragraph("One seed was run.")
    return page.table(("Model", "Mean Dice", "SD over seeds", "By seed"), rows)


def _exports(metrics: Mapping[str, Any]) -> str:
    rows = export_rows(metrics)
    if not rows:
        return page.paragraph("No file was compared with the student.")
    return page.table(rows[0], rows[1:])


def _bad(cases: Sequence[Mapping[str, Any]]) -> str:
    if not cases:
        return page.paragraph("None.")
    return page.entries({one["id"]: one["fault"] for one in cases})


def _text(value: float | None, decimals: int) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.{decimals}f}"
