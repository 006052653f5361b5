"""The one look at the test set: every model, on all of it and on what has no copy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerakd import compress, models
from kerakd.evaluation import (
    bootstrap_intervals,
    calibration,
    classification_metrics,
    compare_all,
    fidelity,
    fit_temperature,
    write_predictions,
)
from kerakd.files import write_json
from kerakd.recipe import Recipe
from kerakd.run import judging, networks
from kerakd.run.exporting import run_exports
from kerakd.run.job import Job
from kerakd.run.judging import Candidate
from kerakd.run.teachers import Teacher
from kerakd.run.timing import milliseconds_per_image

Logits = dict[str, np.ndarray]


def test_all(
    job: Job,
    recipe: Recipe,
    metrics: dict[str, Any],
    teacher: Teacher | None,
    taught: Candidate | None,
    students: Mapping[str, list[Candidate]],
) -> Logits:
    """Touch the test set: metrics of every model, `predictions.csv`.

    Args:
        job: The run.
        recipe: As it was run, after a sweep.
        metrics: What `metrics.json` will hold; filled here.
        teacher: The teacher, if the run has one.
        taught: The same, judged on validation.
        students: Candidates by role, one for each seed.

    Returns:
        The logits of each model on the test images.
    """
    known = metrics["models"]
    logits, validation, spreads = {}, {}, {}
    if teacher is not None:
        shape = teacher.shape
        logits["teacher"] = judging.logits_of(job, teacher.models, "test", shape)
        validation["teacher"] = taught.logits
    for role, candidates in students.items():
        said = {
            c.seed: judging.logits_of(job, c.models, "test", c.shape)
            for c in candidates
        }
        chosen = judging.best(candidates)
        logits[role], validation[role] = said[chosen.seed], chosen.logits
        title = networks.describe_network(recipe.student, chosen.shape)
        known[role] = describe(chosen.models, title, chosen)
        if len(candidates) > 1:
            known[role]["seed"] = chosen.seed
            tests = [lines_of(job, one) for one in said.values()]
            spreads[role] = judging.over_seeds(candidates, tests)
            known[role] |= spreads[role]
    student = judging.best(students["student"])
    exports = metrics["export"]["modes"]
    exported, said, validated = run_exports(job, exports, student, known["student"])
    known |= exported
    logits |= said
    validation |= validated
    for model, values in logits.items():
        known[model] |= lines_of(job, values, intervals=True)
    calibrate(job, known, validation, logits)
    metrics["comparisons"] = by_line(
        job, lambda rows: compare_all(*_rows(job, logits, rows))
    )
    if teacher is not None:
        metrics["fidelity"] = by_line(job, lambda rows: _fidelity(job, logits, rows))
        metrics["distillation"] = {
            "student_loss_weight": recipe.distillation.student_loss_weight,
            "temperature": recipe.distillation.temperature,
            "losses": recipe.distillation.losses,
            "agreement_with_teacher": {
                role: judging.agreement(logits[role], logits["teacher"])
                for role in students
            },
            **judging.whether_it_helped(
                spreads.get("student"), spreads.get("baseline")
            ),
        }
    test = job.samples.subset("test")
    write_predictions(
        job.folder / "predictions.csv",
        test.ids,
        test.labels,
        logits,
        job.class_names,
        groups=job.leaks.groups_of(job.samples, "test"),
        has_copy=job.leaks.has_copy,
    )
    return logits


def lines_of(
    job: Job, logits: np.ndarray, *, intervals: bool = False
) -> dict[str, dict[str, Any]]:
    """Metrics on all test images and on those without a copy in training.

    Args:
        job: The run.
        logits: On the test images.
        intervals: Whether bootstrap intervals over groups are added.

    Returns:
        `test`, and `test_without_copies` where copies were looked for and an image is
        left.
    """
    labels = job.samples.subset("test").labels
    groups = job.leaks.groups_of(job.samples, "test")

    def measured(rows: np.ndarray) -> dict[str, Any]:
        found = classification_metrics(labels[rows], logits[rows], job.class_names)
        if intervals:
            found["intervals"] = bootstrap_intervals(
                labels[rows], logits[rows], groups[rows]
            )
        return found

    return by_line(job, measured)


def by_line(job: Job, measure: Any) -> dict[str, Any]:
    """`measure(rows)` for the whole test set, and for its images without a copy."""
    count = len(job.samples.subset("test"))
    found = {"test": measure(np.arange(count))}
    copies = job.leaks.has_copy
    if copies is not None and not copies.all():
        found["test_without_copies"] = measure(np.flatnonzero(~copies))
    return found


def calibrate(
    job: Job, known: dict[str, Any], validation: Mapping[str, Any], logits: Logits
) -> None:
    """Fit each model's temperature on validation, and tell what it does on the test.

    The temperatures go to `calibration.json` too, for whoever uses the models.

    Args:
        job: The run.
        known: What is told of each model; `calibration` is added.
        validation: Logits of each model on the validation images.
        logits: On the test images.
    """
    validated = job.samples.subset("validation").labels
    labels = job.samples.subset("test").labels
    temperatures = {}
    for model, values in logits.items():
        temperature = fit_temperature(validated, validation[model])

        def judged(rows, values=values, temperature=temperature):
            return calibration(labels[rows], values[rows], temperature)

        known[model]["calibration"] = {
            "temperature": temperature,
            "validation": calibration(validated, validation[model], temperature),
            **by_line(job, judged),
        }
        temperatures[model] = temperature
    write_json(
        job.folder / "calibration.json",
        {
            "fitted_on": "validation",
            "images": len(validated),
            "use": "softmax(logits / temperature)",
            "temperatures": temperatures,
        },
    )


def runners(
    job: Job,
    metrics: Mapping[str, Any],
    teacher: Teacher | None,
    students: Mapping[str, list[Candidate]],
) -> dict[str, tuple[list[Any], Any]]:
    """Every model of a run as its members, and what they see."""
    found = {}
    if teacher is not None:
        found["teacher"] = (teacher.models, teacher.shape)
    for role, candidates in students.items():
        chosen = judging.best(candidates)
        found[role] = (chosen.models, chosen.shape)
    shape = found["student"][1]
    for mode, export in metrics["export"]["modes"].items():
        litert = compress.LiteRTModel(job.folder / export["path"])
        found[f"student_{mode}"] = ([litert], shape)
    return found


def describe(members: Sequence[Any], title: str, judged: Candidate) -> dict[str, Any]:
    """What is told of a Keras model, or of an ensemble's members together."""
    return {
        "title": title,
        "parameters": judging.total(members, models.parameters),
        "megabytes": judging.total(members, _bytes) / 1e6,
        "multiply_adds": judging.total(members, models.multiply_adds),
        "ms_per_image": judging.total(members, milliseconds_per_image),
        "validation": judged.validation,
    }


def _fidelity(job: Job, logits: Logits, rows: np.ndarray) -> dict[str, Any]:
    labels = job.samples.subset("test").labels[rows]
    return {
        model: fidelity(labels, logits["teacher"][rows], values[rows])
        for model, values in logits.items()
        if model != "teacher"
    }


def _rows(job: Job, logits: Logits, rows: np.ndarray) -> tuple[Any, Logits, Any]:
    labels = job.samples.subset("test").labels
    groups = job.leaks.groups_of(job.samples, "test")
    chosen = {model: values[rows] for model, values in logits.items()}
    return labels[rows], chosen, groups[rows]


def _bytes(model: Any) -> int:
    """Size of the weights."""
    return sum(np.asarray(weight).nbytes for weight in model.get_weights())
