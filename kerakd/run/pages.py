"""The last stage of a run: figures, report and model card."""

from collections.abc import Mapping

import keras
import numpy as np

from kerakd import report
from kerakd.data import ImageBatches
from kerakd.evaluation.classification import class_logits, probabilities
from kerakd.explain.asking import explain_many, methods_for
from kerakd.explain.names import SHARED
from kerakd.recipe import Recipe
from kerakd.report.attention import plot_model
from kerakd.run.job import Job
from kerakd.run.judging import Candidate
from kerakd.run.teachers import Teacher

_ROWS = 4


def write_pages(
    job: Job,
    recipe: Recipe,
    teacher: Teacher | None,
    student: Candidate,
    logits: Mapping[str, np.ndarray],
) -> None:
    """Draw the figures of a run and write its report and model card.

    Args:
        job: The run.
        recipe: As it was run, after a sweep.
        teacher: The teacher, if the run has one.
        student: The student that was chosen.
        logits: By model, on the test set.
    """
    report.draw_figures(job.folder.path, job.samples)
    # Heat maps are TensorFlow's; a run on another backend says that it has none.
    if keras.backend.backend() == "tensorflow":
        if teacher is not None:
            _draw_comparison(job, recipe, teacher, student, logits)
        if recipe.heat_maps:
            _draw_heat_maps(job, recipe, student, logits["student"])
    report.write_report(job.folder.path)
    report.write_model_card(job.folder.path)


def _draw_comparison(
    job: Job,
    recipe: Recipe,
    teacher: Teacher,
    student: Candidate,
    logits: Mapping[str, np.ndarray],
) -> None:
    temperature = recipe.distillation.temperature
    report.visualize_classification_kd(
        teacher.models,
        student.models[0],
        job.for_both("test", student.shape, teacher.shape),
        idx=telling_rows(
            job.samples.subset("test").labels, logits["teacher"], logits["student"]
        ),
        # A schedule has no one value; the panel then shows the usual one.
        temperature=temperature if isinstance(temperature, int | float) else 4.0,
        path=job.folder / "figures" / "comparison.png",
        # From one pass; `kerakd explain` draws the others.
        methods=[
            m for m in methods_for([*teacher.models, student.models[0]]) if m in SHARED
        ],
    )


def _draw_heat_maps(
    job: Job, recipe: Recipe, student: Candidate, logits: np.ndarray
) -> None:
    """One test image of each class, by every method that the recipe names."""
    test = job.samples.subset("test")
    rows = rows_by_class(test.labels, logits)
    labels, model = test.labels[rows], student.models[0]
    height, width, channels = student.shape
    pictures = ImageBatches(test.take(rows), (height, width), channels=channels)
    pixels = np.concatenate([np.asarray(x) for x, _ in pictures.dataset()])
    chances = probabilities(logits[rows])
    found = explain_many(model, pixels, recipe.heat_maps, labels)
    plot_model(
        pixels,
        [
            (job.class_names[label], job.class_names[row.argmax()], float(row.max()))
            for label, row in zip(labels, chances, strict=True)
        ],
        {method: one.maps for method, one in found.items()},
        job.folder / "figures" / "heat_maps.png",
    )


def rows_by_class(labels: np.ndarray, logits: np.ndarray) -> list[int]:
    """A row of each class: the middle one of those named rightly, if there are any.

    Args:
        labels: Class indices `(N,)`.
        logits: `(N, classes)`.
    """
    right = class_logits(logits).argmax(axis=1) == labels
    found = []
    for label in np.unique(labels):
        rows = np.flatnonzero((labels == label) & right)
        rows = rows if len(rows) else np.flatnonzero(labels == label)
        found.append(int(rows[len(rows) // 2]))
    return found


def telling_rows(
    labels: np.ndarray, teacher: np.ndarray, student: np.ndarray
) -> list[int]:
    """Rows worth looking at: one of each outcome, then one of each class.

    Args:
        labels: Class indices `(N,)`.
        teacher: Logits `(N, classes)`.
        student: Logits `(N, classes)`.

    Returns:
        At most four rows: only the teacher right, only the student right, both wrong,
        both right, as far as they occur.
    """
    taught, learned = (z.argmax(axis=1) == labels for z in (teacher, student))
    outcomes = [taught & ~learned, learned & ~taught, ~taught & ~learned]
    outcomes += [taught & learned, *(labels == label for label in np.unique(labels))]
    # From the middle of each: a table is sorted by class.
    found = [np.flatnonzero(outcome) for outcome in outcomes]
    middles = [int(rows[len(rows) // 2]) for rows in found if len(rows)]
    return list(dict.fromkeys(middles))[:_ROWS]
