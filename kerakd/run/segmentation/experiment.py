"""`run_segmentation`: one recipe with `task: segmentation` carried out."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import kerakd
from kerakd import models
from kerakd.data.volumes.schemes import TARGETS
from kerakd.data.volumes.table import Volumes
from kerakd.files import write_json
from kerakd.recipe import Recipe
from kerakd.run import surroundings
from kerakd.run.exporting import check_modes
from kerakd.run.folder import Folder, copy_whole
from kerakd.run.samples import PHANTOM
from kerakd.run.segmentation.caching import size_of
from kerakd.run.segmentation.cases import prepare_cases, slices_of
from kerakd.run.segmentation.exporting import (
    KERAS,
    compare,
    export_student,
    segmenter_of_file,
)
from kerakd.run.segmentation.judging import (
    judge,
    mean_dice,
    segmenter_of,
    write_cases,
)
from kerakd.run.segmentation.networks import Trainer
from kerakd.run.segmentation.pages import write_pages
from kerakd.run.timing import milliseconds_per_image
from kerakd.training import devices

_PHANTOM = (
    "The cases are phantoms drawn by a program: these figures show that the machinery "
    "works and say nothing about patients."
)
_ROLES = {"student": "Student", "baseline": "The same student without a teacher"}


def run_segmentation(
    recipe: Recipe,
    folder: Folder,
    *,
    data: str | os.PathLike | None,
    places: list[Path],
    teacher_only: bool = False,
    cache: str | os.PathLike | None = None,
    command: str | None = None,
    verbose: int | str = "auto",
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Carry out a segmentation and leave a finished run folder.

    Patients are divided, not slices. Students are chosen by the mean Dice of the
    validation patients; the test patients are segmented once, at the end, each on the
    grid of its own files.

    Args:
        recipe: What to do.
        folder: The run folder, claimed.
        data: As in `kerakd.data.resolve`.
        places: Folders in which weights and teacher files are looked for.
        teacher_only: Whether to stop when the teacher is trained.
        cache: A teacher cache that was built elsewhere.
        command: How the run was started, for the report.
        verbose: As in `keras.Model.fit`.
        say: Is told what the run does.

    Returns:
        What is in `metrics.json`; `cases.csv` holds every case by itself.

    Raises:
        KerakdError: Something in the recipe, the data or the folder cannot be used.
    """
    with folder.or_nothing():
        say("Reading the cases")
        with folder.stage("data"):
            volumes = prepare_cases(recipe, folder, data)
        say("Slices")
        with folder.stage("slices"):
            store = slices_of(recipe, volumes)
        check_modes(recipe.export.modes, len(store.rows("train")))
        trainer = Trainer(
            recipe, folder, store, places, verbose, Path(cache) if cache else None
        )
        trainer.rehearse()
    metrics = _frame(recipe, volumes, len(store), command)
    say("Teacher")
    with folder.stage("teacher"):
        teacher = trainer.teacher()
    metrics["models"]["teacher"] = _described(teacher, recipe.teacher)
    if teacher_only:
        metrics["seconds"] = folder.seconds
        write_json(folder / "metrics.json", metrics)
        return metrics
    untaught = [
        seed
        for seed in recipe.seeds
        if not (_place(recipe, folder, seed) / "student.keras").is_file()
    ]
    if recipe.distillation.views is not None and untaught:
        pictures, size = size_of(recipe, store)
        say(
            f"Teacher cache, {recipe.distillation.cache_mode}: {pictures:,} slices "
            f"times views, {size / 1e6:,.0f} MB of logits"
        )
        with folder.stage("teacher_cache"):
            trainer.cache(teacher)
    students: dict[str, dict[int, keras.Model]] = {}
    for role in _ROLES if recipe.baseline else ["student"]:
        for seed in recipe.seeds:
            say(f"{_ROLES[role]}, seed {seed}")
            with folder.stage(role):
                out = _place(recipe, folder, seed)
                teaches = teacher if role == "student" else None
                students.setdefault(role, {})[seed] = trainer.student(
                    teaches, seed, out
                )
    if not devices.keeps_files():
        return metrics
    say("Validation and test")
    with folder.stage("evaluation"):
        chosen, found = _judge(
            recipe, folder, volumes, store, teacher, students, metrics
        )
    say("Export")
    with folder.stage("export"):
        metrics["export"] = _export(
            recipe, folder, chosen["student"], volumes, store, metrics
        )
    metrics["seconds"] = folder.seconds
    write_json(folder / "metrics.json", metrics)
    say("Report")
    with folder.stage("report"):
        named = {"teacher": teacher} | chosen
        write_pages(
            folder.path,
            metrics,
            found,
            volumes.subset("test"),
            {
                name: segmenter_of(model, store, recipe.volumes)
                for name, model in named.items()
            },
        )
    return metrics


def _judge(
    recipe: Recipe,
    folder: Folder,
    volumes: Volumes,
    store: Any,
    teacher: keras.Model,
    students: dict[str, dict[int, keras.Model]],
    metrics: dict[str, Any],
) -> tuple[dict[str, keras.Model], dict[str, Any]]:
    """Choose the students on validation, then test every one of them."""
    every = {"teacher": segmenter_of(teacher, store, recipe.volumes)}
    for role, by_seed in students.items():
        for seed, model in by_seed.items():
            every[f"{role}, seed {seed}"] = segmenter_of(model, store, recipe.volumes)
    _, validation = judge(recipe, volumes, "validation", every)
    found, test = judge(recipe, volumes, "test", every)
    known = metrics["models"]
    known["teacher"] |= {"validation": validation["teacher"], "test": test["teacher"]}
    chosen, shown = {}, {"teacher": found["teacher"]}
    for role, by_seed in students.items():
        names = {seed: f"{role}, seed {seed}" for seed in by_seed}
        best = max(by_seed, key=lambda seed: mean_dice(validation[names[seed]]))
        chosen[role] = by_seed[best]
        shown[role] = found[names[best]]
        known[role] = _described(by_seed[best], recipe.student) | {
            "seed": best,
            "validation": validation[names[best]],
            "test": test[names[best]],
        }
        dices = [mean_dice(test[name]) for name in names.values()]
        if len(dices) > 1:
            known[role]["over_seeds"] = {
                "dice_mean": float(np.mean(dices)),
                "dice_sd": float(np.std(dices, ddof=1)),
                "dice": dict(zip(map(str, by_seed), dices, strict=True)),
            }
        source = _place(recipe, folder, best)
        for name in (
            "student.keras" if role == "student" else "student_baseline.keras",
            f"history_{role}.csv",
        ):
            if (source / name).is_file():
                copy_whole(source / name, folder / name)
    write_cases(folder / "cases.csv", found)
    return chosen, shown


def _export(
    recipe: Recipe,
    folder: Folder,
    student: keras.Model,
    volumes: Volumes,
    store: Any,
    metrics: dict,
) -> dict[str, Any]:
    """Write the files; what they keep is measured on the test cases."""
    told = {}
    segmenters = {KERAS: segmenter_of(student, store, recipe.volumes)}
    for mode in recipe.export.modes:
        path = folder / f"student_{mode}.tflite"
        export = export_student(
            student,
            mode,
            store,
            path,
            metrics["segmentation"],
            provenance={"recipe": recipe.name},
            seed=recipe.seed,
        )
        told[mode] = {"file": path.name, "bytes": export.bytes}
        segmenters[mode] = segmenter_of_file(path, store, recipe.volumes)
    found = compare(volumes.subset("test"), recipe.volumes, segmenters, recipe.seed)
    return {mode: one | found[mode] for mode, one in told.items()}


def _place(recipe: Recipe, folder: Folder, seed: int) -> Path:
    if len(recipe.seeds) == 1:
        return folder.path
    return folder / f"seed_{seed}"


def _described(model: keras.Model, section: Any) -> dict[str, Any]:
    shape = model.input_shape[1:]
    name = section.model or model.name
    return {
        "title": f"{name}, {shape[0]}x{shape[1]}x{shape[2]}",
        "parameters": models.parameters(model),
        "megabytes": sum(np.asarray(w).nbytes for w in model.get_weights()) / 1e6,
        "multiply_adds": models.multiply_adds(model),
        "ms_per_slice": milliseconds_per_image(model),
    }


def _frame(
    recipe: Recipe, volumes: Volumes, slices: int, command: str | None
) -> dict[str, Any]:
    table = volumes.samples.table
    warnings, phantom = volumes.remarks, recipe.data.source == PHANTOM
    if phantom:
        warnings = [_PHANTOM, *warnings]
    if recipe.data.limit is not None:
        warnings = [
            *warnings,
            f"At most {recipe.data.limit} cases of each split were used: a trial, not "
            "a result.",
        ]
    return {
        "kerakd": kerakd.__version__,
        "name": recipe.name,
        "task": recipe.task,
        "phantom": phantom,
        "seed": recipe.seed,
        "seeds": recipe.seeds,
        "class_names": list(TARGETS[recipe.volumes.target][0]),
        "segmentation": {
            "modalities": list(volumes.modalities),
            "largest_component": recipe.volumes.largest_component,
            "target": recipe.volumes.target,
            "scheme": volumes.scheme.name if volumes.scheme else None,
            "normalisation": "z-score by case and modality inside the brain, 0 outside",
            "empty": recipe.volumes.empty,
            "tolerance_mm": recipe.volumes.tolerance,
        },
        "data": {
            "source": recipe.data.source,
            "cases": {k: int(v) for k, v in table["split"].value_counts().items()},
            "patients": {
                split: int(groups.nunique())
                for split, groups in table.groupby("split")["group"]
            },
            "slices": slices,
            "bad_cases": [one.as_dict() for one in volumes.bad],
        },
        "models": {},
        "distillation": {
            "student_loss_weight": recipe.distillation.student_loss_weight,
            "temperature": recipe.distillation.temperature,
            "losses": recipe.distillation.losses,
            "views": recipe.distillation.views,
            "cache_mode": recipe.distillation.cache_mode,
            "teacher_dtype": recipe.distillation.teacher_dtype,
        },
        "versions": surroundings.versions(),
        "machine": surroundings.machine(),
        "command": command,
        "warnings": warnings,
    }
