"""The last stage: pictures of test patients and the report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerakd.data.volumes.reading import CaseVolumes, read_case
from kerakd.data.volumes.schemes import to_target
from kerakd.data.volumes.table import Volumes
from kerakd.report.curves import plot_history
from kerakd.report.overlay import fullest_slices, plot_overlays
from kerakd.report.segmentation import plot_dice, write_segmentation_report
from kerakd.report.segmentation_card import write_segmentation_card
from kerakd.segmenter import Segmenter

_SHOWN, _WORST = 5, 5


def write_pages(
    folder: Path,
    metrics: Mapping[str, Any],
    found: Mapping[str, Mapping[str, Any]],
    test: Volumes,
    segmenters: Mapping[str, Segmenter],
) -> None:
    """Draw the figures of a segmentation run and write its report and card.

    Args:
        folder: The run folder.
        metrics: What is in `metrics.json`.
        found: `{model: {case: metrics}}` on the test cases.
        test: The test cases.
        segmenters: By model.
    """
    figures = folder / "figures"
    plot_dice(
        {
            model: [_dice(one) for one in cases.values()]
            for model, cases in found.items()
        },
        figures / "dice.png",
    )
    histories = {
        file.stem.removeprefix("history_"): pd.read_csv(file)
        for file in sorted(folder.glob("history_*.csv"))
    }
    if histories:
        plot_history(histories, figures / "history.png")
    order = sorted(found["student"], key=lambda case: _dice(found["student"][case]))
    # From the worst to the best by equal steps of rank.
    picks = np.linspace(0, len(order) - 1, min(_SHOWN, len(order))).round().astype(int)
    _draw([order[i] for i in picks], test, segmenters, found, figures / "overlays.png")
    _draw(order[:_WORST], test, segmenters, found, figures / "worst.png")
    write_segmentation_report(folder, metrics)
    write_segmentation_card(folder, metrics)


def _dice(regions: Mapping[str, Any]) -> float:
    """Mean over the regions that have one."""
    values = [one["dice"] for one in regions.values()]
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _draw(
    cases: list[str],
    test: Volumes,
    segmenters: Mapping[str, Segmenter],
    found: Mapping[str, Mapping[str, Any]],
    path: Path,
) -> None:
    """The slice of each case with most tumour, in truth or as the student says."""
    by_id = {case.id: case for case in test.cases}
    slices, captions = [], []
    columns: dict[str, list[np.ndarray]] = {"Truth": [], "Teacher": [], "Student": []}
    for name in cases:
        read = read_case(by_id[name], test.modalities, test.scheme)
        said = {
            title: segmenters[title.lower()].classes(read)
            for title in ("Teacher", "Student")
        }
        truth = to_target(read.classes, segmenters["student"].target)
        (number,) = fullest_slices(truth if truth.any() else said["Student"], 1)
        slices.append(_shown(read, number))
        for title, classes in ({"Truth": truth} | said).items():
            columns[title].append(classes[number])
        captions.append(f"{name}\nDice {_dice(found['student'][name]):.3f}")
    plot_overlays(
        slices, columns, path, captions=captions, compare=("Teacher", "Student")
    )


def _shown(read: CaseVolumes, number: int) -> np.ndarray:
    """FLAIR, in which tumours show best, or else the first channel."""
    channel = read.modalities.index("flair") if "flair" in read.modalities else 0
    return read.images[number, ..., channel]
