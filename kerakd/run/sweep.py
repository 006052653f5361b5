"""A grid of students that differ in a few keys of the recipe, judged on validation."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerakd.files import write_text
from kerakd.recipe import Recipe, overrides, recipe_from
from kerakd.run import judging
from kerakd.run.folder import copy_whole
from kerakd.run.job import Job
from kerakd.run.teachers import Teacher
from kerakd.run.teaching import get_student

Grid = Sequence[dict[str, Any]]


def variants(recipe: Recipe, grid: Grid) -> list[Recipe]:
    """The recipe with each combination of the grid laid over it.

    Raises:
        RecipeError: A key is unknown or a value is refused.
    """
    found = []
    for values in grid:
        page = recipe.get_config()
        for key, value in values.items():
            page = overrides.put(page, key, value)
        found.append(recipe_from(page, source=f"--sweep {_label(values)}"))
    return found


def sweep(
    job: Job,
    teacher: Teacher,
    grid: Grid,
    recipes: Sequence[Recipe],
    say: Callable[[str], None],
) -> tuple[Recipe, dict[str, Any]]:
    """Train one student for each variant and choose by validation.

    The test set is not touched. The table goes to `sweep.csv`, the students to
    `sweep/`; the chosen one is taken over as that of the run's first seed.

    Returns:
        The chosen variant, and what is told of the sweep in `metrics.json`.
    """
    seed, rows = job.recipe.seeds[0], []
    for number, (values, recipe) in enumerate(zip(grid, recipes, strict=True), 1):
        say(f"Sweep, student {number} of {len(grid)}: {_label(values)}")
        model = get_student(job, recipe, teacher, seed, _place(job, values))
        validation = judging.candidate(job, seed, [model]).validation
        rows.append(dict(values) | {n: validation[n] for n in judging.SCORES})
    chosen = min(range(len(rows)), key=lambda i: judging.preference(rows[i]))
    _write_table(job.folder / "sweep.csv", rows)
    say(f"Validation prefers {_label(grid[chosen])}.")
    source = _place(job, grid[chosen])
    for name in ("student.keras", "history_student.csv"):
        copy_whole(source / name, seed_folder(job, seed) / name)
    told = {"judged_on": "validation", "rows": rows, "chosen": dict(grid[chosen])}
    return recipes[chosen], told


def seed_folder(job: Job, seed: int) -> Path:
    """Where the students of a seed lie: the run folder itself for a single seed."""
    if len(job.recipe.seeds) == 1:
        return job.folder.path
    return job.folder / f"seed_{seed}"


def _label(values: dict[str, Any]) -> str:
    return " ".join(f"{key.rpartition('.')[2]}={v}" for key, v in values.items())


def _place(job: Job, values: dict[str, Any]) -> Path:
    name = re.sub(r"[^\w.=-]+", "_", _label(values)).strip("_")
    return job.folder / "sweep" / name[:120]


def _write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())
