"""Cases of a split segmented by a network and compared with their truth, in 3-D."""

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerakd.data.volumes.reading import read_case
from kerakd.data.volumes.store import SliceStore
from kerakd.data.volumes.table import Volumes
from kerakd.evaluation.segmentation import METRICS, evaluate_case, summarise
from kerakd.files import write_text
from kerakd.recipe import Recipe, VolumesSection
from kerakd.segmenter import Segmenter, keras_runner

Cases = dict[str, dict[str, dict[str, Any]]]


def segmenter_of(
    model: keras.Model, store: SliceStore, section: VolumesSection
) -> Segmenter:
    """A network of a run as it segments cases."""
    return Segmenter(
        keras_runner(model),
        model.input_shape[1:],
        store.modalities,
        store.target,
        section.largest_component,
    )


def judge(
    recipe: Recipe,
    volumes: Volumes,
    split: str,
    segmenters: Mapping[str, Segmenter],
) -> tuple[dict[str, Cases], dict[str, dict[str, Any]]]:
    """Metrics of every network on every case of a split, on the case's own grid.

    Args:
        recipe: For the policy on empty masks and the tolerance.
        volumes: All cases.
        split: Which of them.
        segmenters: By the model's name.

    Returns:
        `{model: {case: evaluate_case(...)}}` and `{model: summarise(...)}`.
    """
    chosen = volumes.subset(split)
    found: dict[str, Cases] = {name: {} for name in segmenters}
    for case in chosen.cases:
        read = read_case(case, volumes.modalities, volumes.scheme)
        for name, segmenter in segmenters.items():
            found[name][case.id] = evaluate_case(
                read.classes,
                segmenter.classes(read),
                read.spacing,
                segmenter.regions,
                empty=recipe.volumes.empty,
                tolerance=recipe.volumes.tolerance,
            )
    patients = chosen.samples.groups.tolist()
    return found, {
        name: summarise(cases, patients, seed=recipe.seed)
        for name, cases in found.items()
    }


def mean_dice(summary: Mapping[str, Any]) -> float:
    """Over the regions of a summary; what students are chosen by, on validation."""
    means = [region["dice"]["mean"] for region in summary.values()]
    return float(np.mean([mean for mean in means if mean is not None] or [0.0]))


def write_cases(path: Path, found: Mapping[str, Cases]) -> None:
    """One row for each model, case and region; what is not defined stays empty."""
    text = io.StringIO()
    columns = [*METRICS, "volume_ml", "true_volume_ml"]
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["model", "case", "region", *columns])
    for model, cases in found.items():
        for case, regions in cases.items():
            for region, metrics in regions.items():
                values = [metrics[name] for name in columns]
                shown = ["" if math.isnan(v) else f"{v:.6g}" for v in values]
                table.writerow([model, case, region, *shown])
    write_text(path, text.getvalue())
