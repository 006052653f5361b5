"""Cross-validation: a recipe carried out for each fold, every image tested once."""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerakd import report
from kerakd.data import Samples, folds, save_splits
from kerakd.errors import RecipeError
from kerakd.evaluation import (
    bootstrap_intervals,
    classification_metrics,
    compare_all,
    fidelity,
    read_predictions,
    write_predictions,
)
from kerakd.files import read_json, write_json
from kerakd.recipe import Recipe
from kerakd.run.auditing import CLUSTERS, clusters_of
from kerakd.run.experiment import run_recipe
from kerakd.run.folder import Folder
from kerakd.run.leaks import Leaks
from kerakd.run.samples import read_samples
from kerakd.run.together import refuse

_KEPT = ("title", "parameters", "megabytes", "multiply_adds", "ms_per_image")


def run_folds(
    recipe: Recipe,
    out: str | os.PathLike,
    count: int,
    *,
    data: str | os.PathLike | None = None,
    resume: bool = False,
    command: str | None = None,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> dict[str, Any]:
    """Carry out a recipe on stratified folds that tear apart no patient and no copies.

    The splits of the folders are set aside: all images are divided anew, each is tested
    once. Each fold is a run of its own in `fold_<n>/`; the folder itself holds
    `folds/<n>.json`, `predictions.csv` of all folds, `metrics.json`, a report.

    Args:
        recipe: What to do.
        out: The folder; new or empty, unless `resume`.
        count: How many folds, 2 or more.
        data: As in `run_recipe`.
        resume: As there.
        command: As there.
        say: As there.
        **options: Further ones of `run_recipe`.

    Returns:
        What is in `metrics.json`: the models as in a run, tested on all images; and
        `folds`, with the accuracy in each, mean and standard deviation.

    Raises:
        RecipeError: There are fewer than two folds, or the recipe brings splits.
        DataError: A class has too few groups for so many folds.
        KerakdError: As in `run_recipe`.
    """
    if count < 2:
        raise RecipeError(f"--folds takes 2 or more folds, not {count}.")
    if recipe.data.splits is not None:
        raise RecipeError("Folds divide the images anew; leave `data.splits` out.")
    refuse("Cross-validation")
    folder = Folder.claim(out, recipe, resume)
    folder.pledge("folds", count, "--folds")
    if folder.finished("report"):
        say(f"The folds in {folder.path} are finished.")
        return read_json(folder / "metrics.json")
    with folder.or_nothing():
        say("Reading the data")
        samples = read_samples(recipe, folder, data)
        with folder.stage("audit"):
            clusters = clusters_of(recipe, folder, samples, say)
        parts = folds(
            samples, count, recipe.seed, clusters, validation=recipe.data.validation
        )
        for number, one in enumerate(parts, 1):
            save_splits(one, folder / f"folds/{number}.json")
    each = []
    for number in range(1, count + 1):
        say(f"Fold {number} of {count}")
        place = folder / f"fold_{number}"
        each.append(
            run_recipe(
                recipe,
                place,
                data=data,
                resume=resume and (place / "run.json").is_file(),
                command=command,
                say=say,
                splits=folder / f"folds/{number}.json",
                clusters=folder / CLUSTERS if clusters is not None else None,
                **options,
            )
        )
    with folder.stage("evaluation"):
        metrics = _together(folder.path, samples, clusters, each, command)
        metrics["seconds"] = _seconds(each)
        write_json(folder / "metrics.json", metrics)
    with folder.stage("report"):
        report.draw_figures(folder.path, samples)
        report.write_report(folder.path)
        report.write_model_card(folder.path)
    return metrics


def _together(
    path: Path,
    samples: Samples,
    clusters: Mapping[str, Any] | None,
    each: Sequence[Mapping[str, Any]],
    command: str | None,
) -> dict[str, Any]:
    """What the folds say together: every image, judged by who did not see it."""
    said = [
        read_predictions(path / f"fold_{number}" / "predictions.csv")
        for number in range(1, len(each) + 1)
    ]
    names, models = said[0].class_names, list(said[0].logits)
    ids = np.concatenate([one.ids for one in said])
    labels = np.concatenate([one.labels for one in said])
    logits = {m: np.concatenate([one.logits[m] for one in said]) for m in models}
    leaks = Leaks.of(samples, clusters)
    place = dict(zip(samples.ids.tolist(), leaks.groups.tolist(), strict=True))
    groups = np.array([place[one] for one in ids.tolist()])
    write_predictions(
        *(path / "predictions.csv", ids, labels, logits, names),
        groups=groups,
        has_copy=None if clusters is None else np.zeros(len(ids), bool),
    )
    first = each[0]
    known = {
        model: {key: first["models"][model].get(key) for key in _KEPT}
        | {
            "test": classification_metrics(labels, values, names)
            | {"intervals": bootstrap_intervals(labels, values, groups)}
        }
        for model, values in logits.items()
    }
    told = {"looked": clusters is not None, "groups": leaks.kind}
    if clusters is not None:
        told |= {
            "test_images": len(ids),
            "with_a_copy": 0,
            "without_a_copy": len(ids),
        }
    kept = ("kerakd", "task", "phantom", "seed", "seeds", "class_names")
    others = ("versions", "machine", "warnings", "distillation")
    together = {key: first.get(key) for key in (*kept, *others)}
    together["distillation"] = {
        key: value
        for key, value in (together["distillation"] or {}).items()
        if key in ("student_loss_weight", "temperature", "losses")
    }
    return {
        "name": f"{first['name']}, {len(each)} folds",
        **together,
        "data": {
            "source": first["data"]["source"],
            "counts": {
                f"fold {n}": one["data"]["counts"]["test"]
                for n, one in enumerate(each, 1)
            },
            "notes": samples.notes,
        },
        "audit": told,
        "models": known,
        "comparisons": {"test": compare_all(labels, logits, groups)},
        **_fidelity(labels, logits),
        "folds": _each(each, models, leaks.kind),
        "command": command,
    }


def _fidelity(labels: np.ndarray, logits: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """How far all models follow the teacher; nothing where there is none."""
    if "teacher" not in logits:
        return {}
    found = {
        model: fidelity(labels, logits["teacher"], values)
        for model, values in logits.items()
        if model != "teacher"
    }
    return {"fidelity": {"test": found}}


def _each(
    each: Sequence[Mapping[str, Any]], models: Sequence[str], kind: str
) -> dict[str, Any]:
    rows = [
        {
            "fold": number,
            "test": {m: one["models"][m]["test"]["accuracy"] for m in models},
        }
        for number, one in enumerate(each, 1)
    ]
    values = {m: [row["test"][m] for row in rows] for m in models}
    return {
        "method": (
            f"All images in {len(rows)} folds, stratified by class, whole groups "
            f"({kind}): none stands on both sides, and each image is tested once. The "
            "tables above hold all images together; the standard deviation is that "
            "over folds, whose trainings share most of their images."
        ),
        "models": list(models),
        "rows": rows,
        "mean": {m: statistics.fmean(v) for m, v in values.items()},
        "spread": {m: statistics.stdev(v) for m, v in values.items()},
    }


def _seconds(each: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    stages = dict.fromkeys(stage for one in each for stage in one.get("seconds") or {})
    return {
        stage: round(sum((one.get("seconds") or {}).get(stage, 0) for one in each), 2)
        for stage in stages
    }
