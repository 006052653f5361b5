"""The last stage of a run: figures, report and model card."""

from collections.abc import Mapping

import numpy as np

from kerakd import report
from kerakd.explain.asking import methods_for
from kerakd.explain.names import SHARED
from kerakd.recipe import Recipe
from kerakd.run.job import Job
from kerakd.run.judging import Candidate
from kerakd.run.teachers import Teacher

_ROWS = 4


def write_pages(
    job: Job,
    recipe: Recipe,
    teacher: Teacher,
    student: Candidate,
    logits: Mapping[str, np.ndarray],
) -> None:
    """Draw the figures of a run and write its report and model card.

    Args:
        job: The run.
        recipe: As it was run, after a sweep.
        teacher: The teacher.
        student: The student that was chosen.
        logits: By model, on the test set.
    """
    report.draw_figures(job.folder.path, job.samples)
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
    report.write_report(job.folder.path)
    report.write_model_card(job.folder.path)


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
