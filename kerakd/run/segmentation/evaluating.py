"""A model file on labelled cases, for `kerakd evaluate`."""

import os
from pathlib import Path
from typing import Any

from kerakd.data import resolve
from kerakd.data.volumes.layouts import EXPECTED
from kerakd.data.volumes.reading import read_case
from kerakd.data.volumes.table import NO_TRUTH, Volumes, load_volumes
from kerakd.errors import DataError, RecipeError, nearest
from kerakd.evaluation.segmentation import evaluate_case, summarise
from kerakd.recipe import VolumesSection
from kerakd.run.assess import SPLITS, open_model
from kerakd.run.segmentation.opening import is_segmentation, open_run
from kerakd.segmenter import Segmenter


def segments(model: str | os.PathLike) -> bool:
    """Whether a model file gives a map of logits, and not one row.

    Args:
        model: A `.keras` or `.tflite` file.

    Raises:
        ModelError: It cannot be loaded.
    """
    path = Path(model)
    if (path.parent / "recipe.yaml").is_file():
        return is_segmentation(path.parent)
    runner, _ = open_model(path)
    return len(runner.output_shape) == 4


def evaluate_cases(
    model: str | os.PathLike,
    data: str | os.PathLike | None = None,
    split: str = "test",
) -> dict[str, Any]:
    """Metrics of a saved model on whole cases, in 3-D.

    Args:
        model: A `.keras` or `.tflite` file. Where it lies in a run folder, the cases,
            splits and the policy on empty masks are those of the run.
        data: The folder of the cases, as in `kerakd.data.resolve`.
        split: `"train"`, `"validation"`, `"test"` or `"all"`; elsewhere than in a run
            folder there is `"all"` alone.

    Returns:
        `split`, `patients`, `regions` (`kerakd.evaluation.segmentation.summarise`: of
        each metric the mean over patients and its interval) and `cases`, every case's
        metrics by region.

    Raises:
        ModelError: The model cannot be loaded, or does not segment.
        DataError: The cases cannot be read, have no masks, or there is no such split.
        RecipeError: `split` is unknown, or the channels of the model are.
    """
    path = Path(model)
    if split not in SPLITS:
        raise RecipeError(f"There is no split {split!r}. {nearest(split, SPLITS)}")
    segmenter = Segmenter.open(path)
    section, seed = VolumesSection(), 0
    if is_segmentation(path.parent):
        opened = open_run(path.parent, data)
        section, seed = opened.recipe.volumes, opened.recipe.seed
        volumes = opened.volumes if split == "all" else opened.volumes.subset(split)
    else:
        volumes = _elsewhere(segmenter, data, split)
    if not len(volumes):
        raise DataError(
            f"There are no {split} cases; choose another split, or take all with "
            "--split all."
        )
    cases = {}
    for case in volumes.cases:
        read = read_case(case, volumes.modalities, volumes.scheme)
        cases[case.id] = evaluate_case(
            read.classes,
            segmenter.classes(read),
            read.spacing,
            segmenter.regions,
            empty=section.empty,
            tolerance=section.tolerance,
        )
    patients = volumes.samples.groups.tolist()
    return {
        "task": "segmentation",
        "model": path.name,
        "split": split,
        "patients": len(set(patients)),
        "regions": summarise(cases, patients, seed=seed),
        "cases": cases,
    }


def _elsewhere(segmenter: Segmenter, data: Any, split: str) -> Volumes:
    """Cases that belong to no run."""
    if split != "all":
        raise DataError(
            f"The model lies in no run folder, so there is no {split} split; take all "
            "cases with --split all."
        )
    folder = resolve(None, data, EXPECTED)
    found = load_volumes(folder, modalities=segmenter.modalities)
    known = (found.samples.table["label"] != NO_TRUTH).to_numpy().nonzero()[0]
    return found.take(known)
