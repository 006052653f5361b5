"""The last stage of a run: figures, report and model card."""

from collections.abc import Mapping

import numpy as np

from kerakd import report
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
    )
    report.write_report(job.folder.path)
    report.write_model_card(job.folder.path)


def telling_rows(
    labels: np.ndarray, teacher: np.ndarray, student: np.ndarray, count: int = _ROWS
) -> list[int]:
    """Rows worth looking at: disagreements first, then errors, then each class.

    Args:
        labels: Class indices `(N,)`.
        teacher: Logits `(N, classes)`.
        student: Logits `(N, classes)`.
        count: How many rows.
    """
    ours, theirs = student.argmax(axis=1), teacher.argmax(axis=1)
    by_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    rows = [
        *np.flatnonzero(ours != theirs)[: count // 2],
        *np.flatnonzero(ours != labels)[: count // 2],
        *(rows[0] for rows in by_class),
        *range(len(labels)),
    ]
    return [int(row) for row in dict.fromkeys(rows)][:count]
