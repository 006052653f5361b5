"""The student of a segmentation run as files for a phone, measured."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerakd.compress import Export, verify
from kerakd.compress.measuring import benchmark_models
from kerakd.data.volumes.batches import SliceBatches
from kerakd.errors import DataError
from kerakd.files import read_json
from kerakd.run import networks
from kerakd.run.compression_files import keep_figures
from kerakd.run.segmentation.exporting import (
    KERAS,
    compare,
    export_student,
    segmenter_of_file,
)
from kerakd.run.segmentation.judging import mean_dice, segmenter_of
from kerakd.run.segmentation.opening import Opened, open_run

# What int8 may lose of the validation patients' Dice before layers are left in float:
# half of what is asked of it on the test.
_LOST = 0.0025


def compress_segmentation(
    model_path: Path,
    folder: Path,
    modes: Sequence[str],
    data: Any,
    *,
    on: str,
    sensitive: bool | None,
    integer_only: bool,
    backend: str,
    images: int,
    threads: int,
    provenance: dict[str, Any],
    tell: Callable[[dict[str, Any], dict[str, Any]], None],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """`kerakd.run.compressing.compress_run` of a run with `task: segmentation`.

    Args:
        model_path: The student.
        folder: The run folder.
        modes: Those of files to be written.
        data: As in `kerakd.data.resolve`.
        on: The split on which masks are compared.
        sensitive: As in `compress_run`; what decides is the Dice of validation cases.
        integer_only: As there.
        backend: As there.
        images: How many training slices calibrate an integer mode.
        threads: As there.
        provenance: What the files tell of their origin.
        tell: Puts what an export reported of its quantisation into its variant.
        say: Told what is being done.

    Returns:
        What `compress_run` tells, each variant with `dice` (mean over regions of the
        mean over patients), `regions`, `difference` and `voxel_agreement` (see
        `kerakd.run.segmentation.exporting.compare`).
    """
    opened = open_run(folder, data)
    section = opened.recipe.volumes
    model = networks.load_logits(model_path)
    volumes = opened.volumes.subset(on)
    if not len(volumes):
        raise DataError(f"The run in {folder} has no {on} cases.")
    about = read_json(folder / "metrics.json")["segmentation"]

    def export(mode: str, **options: Any) -> Export:
        with warnings.catch_warnings():
            # What is slower than float32 is told by the figures.
            warnings.simplefilter("ignore", UserWarning)
            return export_student(
                model,
                mode,
                opened.store,
                folder / f"{model_path.stem}_{mode}.tflite",
                about,
                provenance=provenance,
                threads=threads,
                calibration_images=images,
                seed=opened.recipe.seed,
                **options,
            )

    exports = {}
    for mode in modes:
        say(f"Export {mode}")
        if mode != "int8":
            exports[mode] = export(mode)
            continue
        options: dict[str, Any] = {"integer_only": integer_only, "backend": backend}
        first = export(mode, **options, sensitive="auto" if sensitive else None)
        exports[mode] = first
        if sensitive is None and not integer_only:
            lost = _lost(opened, model, first)
            if lost > _LOST:
                say(f"int8 moves the validation Dice by {lost:.4f}; leave layers float")
                better = export(mode, **options, sensitive="auto")
                kept = _lost(opened, model, better) < lost
                exports[mode] = better if kept else export(mode, **options)
    say(f"Measure speed, and masks of {len(volumes)} {on} cases")
    paths = {mode: one.path for mode, one in exports.items()}
    figures = benchmark_models(list(paths.values()))
    segmenters = {KERAS: segmenter_of(model, opened.store, section)}
    segmenters |= {
        m: segmenter_of_file(p, opened.store, section) for m, p in paths.items()
    }
    if (folder / "teacher.keras").is_file():
        teacher = networks.load_network(folder / "teacher.keras")
        segmenters["teacher"] = segmenter_of(teacher, opened.store, section)
    found = compare(volumes, section, segmenters, opened.recipe.seed)
    slices = SliceBatches(opened.store, on)
    for variant, (mode, made) in zip(figures["variants"], exports.items(), strict=True):
        regions = found[mode]["regions"]
        variant |= found[mode] | {
            "cases": len(volumes),
            "dice": mean_dice(regions),
            "dice_interval": _interval(regions),
            "verify": verify(model, made.path, slices),
        }
        others = found[mode]["voxel_agreement"]
        variant["agreement"] = {k: v for k, v in others.items() if k not in exports}
        tell(variant, made.report)
    figures |= {
        "model": model_path.name,
        "task": "segmentation",
        "split": on,
        "class_names": list(opened.store.class_names),
        "student": found[KERAS]["regions"],
        "teacher": found["teacher"]["regions"] if "teacher" in found else None,
    }
    keep_figures(folder, figures, exports)
    return figures


def _lost(opened: Opened, model: Any, export: Export) -> float:
    """How far a file moves the Dice of the validation patients, at its worst region."""
    section = opened.recipe.volumes
    segmenters = {
        KERAS: segmenter_of(model, opened.store, section),
        "file": segmenter_of_file(export.path, opened.store, section),
    }
    found = compare(opened.volumes.subset("validation"), section, segmenters)
    moved = [one["dice"]["mean"] or 0.0 for one in found["file"]["difference"].values()]
    return max(map(abs, moved))


def _interval(regions: dict[str, Any]) -> list[float] | None:
    """Of the Dice; told for each region where there are several."""
    intervals = [one["dice"]["interval"] for one in regions.values()]
    return intervals[0] if len(intervals) == 1 else None
