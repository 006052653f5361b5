"""`run_recipe`: data, teacher, students, test, export and report, in this order."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import kerakd
from kerakd.errors import RecipeError
from kerakd.files import read_json, write_json
from kerakd.recipe import Recipe, overrides, save_recipe
from kerakd.run import judging, networks, surroundings
from kerakd.run.auditing import look_for_leaks
from kerakd.run.caching import get_cache, is_cached
from kerakd.run.exporting import export_all
from kerakd.run.external import all_external, check_external
from kerakd.run.folder import Folder, copy_whole
from kerakd.run.job import Job
from kerakd.run.judging import Candidate
from kerakd.run.pages import write_pages
from kerakd.run.samples import PHANTOM, prepare_samples, warnings_of
from kerakd.run.sweep import seed_folder, sweep, variants
from kerakd.run.teachers import Teacher
from kerakd.run.teaching import (
    get_student,
    get_teacher,
    rehearse,
    student_file,
)
from kerakd.run.testing import describe, runners, test_all
from kerakd.run.together import by_workers
from kerakd.training import devices


@by_workers
def run_recipe(
    recipe: Recipe,
    out: str | os.PathLike,
    *,
    data: str | os.PathLike | None = None,
    weights: str | os.PathLike | None = None,
    recipe_folder: str | os.PathLike | None = None,
    resume: bool = False,
    sweeps: Sequence[tuple[str, list[Any]]] = (),
    teacher_only: bool = False,
    cache: str | os.PathLike | None = None,
    command: str | None = None,
    verbose: int | str = "auto",
    say: Callable[[str], None] = lambda text: None,
    splits: str | os.PathLike | None = None,
    clusters: str | os.PathLike | None = None,
    again: bool = False,
) -> dict[str, Any]:
    """Carry out a recipe and leave a finished run folder.

    The folder holds the resolved `recipe.yaml`, `samples.csv`, `splits.json`, the
    models, `history_*.csv`, `metrics.json`, `predictions.csv`,
    `student_<mode>.tflite`, `figures/`, `report.html` and `model_card.md`. Whatever
    has to be chosen is chosen on the validation set; the test set is touched once, at
    the end.

    ```python
    recipe = kerakd.recipe.load_recipe("experiments/brain_tumor_mri_cpu.yaml")
    metrics = kerakd.run.run_recipe(recipe, "runs/mri", data="data/brain-tumor-mri")
    print(metrics["models"]["student"]["test"]["accuracy"])
    ```

    Args:
        recipe: What to do.
        out: The run folder; new or empty, unless `resume`.
        data: As in `kerakd.data.resolve`.
        weights: A folder in which weights files are looked for.
        recipe_folder: The folder of the recipe's page, searched first.
        resume: Whether a run of the same recipe in `out` is taken up: what is finished
            is kept, a training goes on from its last checkpoint.
        sweeps: Keys and their values; one student is trained for each combination, and
            the run goes on with the one that validation prefers.
        teacher_only: Whether to stop when the teacher is trained; the test set is not
            touched then.
        cache: A folder that `kerakd cache build` made, in place of a new one.
        command: How the run was started, for the report.
        verbose: As in `keras.Model.fit`.
        say: Is told what the run does.
        splits: A `splits.json` in place of the recipe's own split.
        clusters: The `clusters.csv` of an audit; without it the run makes one.
        again: Whether a finished run is judged anew (see `kerakd.run.again`).

    Returns:
        What is in `metrics.json`.

    Raises:
        KerakdError: Something in the recipe, the data or the folder cannot be used; a
            new run leaves nothing behind where that shows before the first training.
    """
    if sweeps and recipe.task == "segmentation":
        raise RecipeError("--sweep is for classification; make a run for each value.")
    grid = overrides.grid(sweeps) if sweeps else []
    recipes = variants(recipe, grid)
    if teacher_only and recipe.teacher is None:
        raise RecipeError(
            f"The recipe {recipe.name!r} has no teacher to train; carry it out with "
            "`kerakd run`."
        )
    folder = Folder.claim(out, recipe, resume)
    if folder.finished("report") and not (teacher_only or again):
        say(f"The run in {folder.path} is finished.")
        return read_json(folder / "metrics.json")
    folder.keep_recipe(recipe)
    if recipe.task == "segmentation":
        from kerakd.run.segmentation import run_segmentation

        return run_segmentation(
            recipe,
            folder,
            data=data,
            places=networks.weights_places(recipe_folder, weights, data),
            teacher_only=teacher_only,
            cache=cache,
            command=command,
            verbose=verbose,
            say=say,
        )
    with folder.or_nothing():
        say("Reading the data")
        with folder.stage("data"):
            samples = prepare_samples(recipe, folder, data, splits, say, verbose)
        check_external(recipe.external, data, samples.class_names)
        places = networks.weights_places(recipe_folder, weights, data)
        job = Job(recipe, folder, samples, places, verbose, warnings_of(samples))
        job.cache = Path(cache) if cache else None
        if not again:
            rehearse(job, recipes)
        folder.pledge("sweep", grid, "--sweep")
        with folder.stage("audit"):
            job.leaks = look_for_leaks(job, say, clusters)

    metrics = _frame(job, command)
    teacher = taught = None
    if recipe.teacher is not None:
        say("Teacher")
        with folder.stage("teacher"):
            teacher = get_teacher(job)
            taught = judging.candidate(job, recipe.seed, teacher.models)
        metrics["models"]["teacher"] = describe(teacher.models, teacher.title, taught)
    if teacher_only:
        metrics["seconds"] = folder.seconds
        write_json(folder / "metrics.json", metrics)
        return metrics

    if grid:
        with folder.stage("sweep"):
            recipe, told = sweep(job, teacher, grid, recipes, say)
        metrics["sweep"] = told
        save_recipe(recipe, folder / "recipe_chosen.yaml")
    if teacher is not None and is_cached(recipe) and not again:
        say("Teacher cache")
        with folder.stage("teacher_cache"):
            get_cache(job, recipe, teacher)
    students = _students(job, recipe, teacher, say)
    if not devices.keeps_files():
        return metrics

    say("Export")
    student = judging.best(students["student"])
    with folder.stage("export"):
        metrics["export"] = export_all(job, student)
    say("Test")
    with folder.stage("evaluation"):
        logits = test_all(job, recipe, metrics, teacher, taught, students)
        if recipe.external:
            metrics["external"] = all_external(
                recipe.external,
                data,
                job.class_names,
                runners(job, metrics, teacher, students),
                say,
            )
    metrics["seconds"] = folder.seconds
    write_json(folder / "metrics.json", metrics)
    say("Report")
    with folder.stage("report"):
        write_pages(job, recipe, teacher, student, logits)
    return metrics


def _students(
    job: Job, recipe: Recipe, teacher: Teacher | None, say: Callable[[str], None]
) -> dict[str, list[Candidate]]:
    """All students of a run by role, one for each seed."""
    roles: dict[str, Teacher | None] = {"student": teacher}
    if recipe.baseline and teacher is not None:
        roles["baseline"] = None
    found: dict[str, list[Candidate]] = {role: [] for role in roles}
    titles = {"student": "Student", "baseline": "The same student without a teacher"}
    if teacher is None:
        titles["student"] = "Network, on labels alone"
    for seed in recipe.seeds:
        for role, teaches in roles.items():
            of_seed = f", seed {seed}" if len(recipe.seeds) > 1 else ""
            say(titles[role] + of_seed)
            out = seed_folder(job, seed)
            with job.folder.stage(role):
                model = get_student(job, recipe, teaches, seed, out, role)
                found[role].append(judging.candidate(job, seed, [model]))
    for role, candidates in found.items():
        chosen = seed_folder(job, judging.best(candidates).seed)
        for name in (student_file(role), f"history_{role}.csv"):
            copy_whole(chosen / name, job.folder / name)
    return found


def _frame(job: Job, command: str | None) -> dict[str, Any]:
    recipe, samples = job.recipe, job.samples
    return {
        "kerakd": kerakd.__version__,
        "name": recipe.name,
        "task": recipe.task,
        "phantom": recipe.data.source == PHANTOM,
        "seed": recipe.seed,
        "seeds": recipe.seeds,
        "class_names": job.class_names,
        "data": {
            "source": recipe.data.source,
            "counts": samples.counts,
            "notes": samples.notes,
        },
        "audit": job.leaks.told,
        "models": {},
        "versions": surroundings.versions(),
        "machine": surroundings.machine(),
        "command": command,
        "warnings": job.warnings,
    }
