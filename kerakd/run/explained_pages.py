"""Figures of the heat maps of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.explain.asking import opinion
from kerakd.explain.explanation import Explanation
from kerakd.explain.similarity import compare_maps
from kerakd.report.attention import (
    Case,
    plot_attention,
    plot_faithfulness,
    plot_summary,
)

_SIZE = (112, 112)


def draw(
    folder: Path,
    class_names: Sequence[str],
    arrays: Mapping[str, np.ndarray],
    labels: np.ndarray,
    says: Mapping[str, np.ndarray],
    explained: Mapping[str, Mapping[str, Explanation]],
    masks: Mapping[int, np.ndarray],
    agreement: Mapping[str, Any],
    faithfulness: Mapping[str, Any],
    teacher: Sequence[Any],
    student: Any,
) -> None:
    """Draw `summary_visualization`, `attention_<method>` and `faithfulness`.

    Args:
        folder: The run folder.
        class_names: Names of the classes.
        arrays: Pictures by role (N, H, W, C).
        labels: Class indices (N,).
        says: `teacher_says` and `student_says` (N,).
        explained: Maps by role and method.
        masks: By picture.
        agreement: What goes into `agreement.json`.
        faithfulness: What goes into `faithfulness.json`.
        teacher: The members of the teacher.
        student: The student.
    """
    methods = list(explained["student"])
    chances = {
        "teacher": opinion(teacher, arrays["teacher"]),
        "student": opinion([student], arrays["student"]),
    }
    maps = {
        role: {method: one.at(_SIZE) for method, one in found.items()}
        for role, found in explained.items()
    }
    likeness = {
        method: compare_maps(
            *(explained[role][method].at((32, 32)) for role in ("teacher", "student"))
        )["rank_correlation"]
        for method in methods
    }

    def case(row: int, title: str) -> Case:
        answers = {
            role: (class_names[values[row].argmax()], float(values[row].max()))
            for role, values in chances.items()
        }
        return Case(
            picture=arrays["teacher"][row],
            title=title,
            answers=answers,
            maps={
                role: {method: one[row] for method, one in found.items()}
                for role, found in maps.items()
            },
            likeness={
                method: float(values[row]) for method, values in likeness.items()
            },
            mask=masks.get(row),
        )

    right = (says["teacher_says"] == labels) & (says["student_says"] == labels)
    shown = [
        case(_telling(np.flatnonzero(labels == k), right, masks), name)
        for k, name in enumerate(class_names)
        if (labels == k).any()
    ]
    figures = folder / "figures"
    plot_summary(
        shown,
        methods,
        figures / "summary_visualization.png",
        {"teacher": f"Teacher (mean of {len(teacher)})"} if len(teacher) > 1 else None,
    )
    for method in methods:
        rows = [
            (name, [case(*one) for one in _spread(labels == k, likeness[method])])
            for k, name in enumerate(class_names)
        ]
        rows = [(name, cases) for name, cases in rows if cases]
        if not rows:  # every pair has an empty map; `agreement.json` counts them
            continue
        plot_attention(
            method,
            rows,
            figures / f"attention_{method}.png",
            heading=_heading(agreement["methods"][method]["all"]),
        )
    curves = {role: faithfulness[role] for role in ("teacher", "student")}
    if all("shares" in one for one in curves.values()):
        plot_faithfulness(curves, figures / "faithfulness.png")


def _telling(rows: np.ndarray, right: np.ndarray, masks: Mapping[int, Any]) -> int:
    """A picture of a class: with a mask and both networks right, if there is one."""
    for good in (
        [row for row in rows if right[row] and row in masks],
        [row for row in rows if right[row]],
        list(rows),
    ):
        if good:
            return int(good[len(good) // 2])
    raise AssertionError("a class without pictures has no row")


def _spread(rows: np.ndarray, likeness: np.ndarray) -> list[tuple[int, str]]:
    """Rows of the most, the middle and the least agreement, and what to call them."""
    rows = np.flatnonzero(rows & np.isfinite(likeness))
    ordered = rows[np.argsort(-likeness[rows], kind="stable")]
    if len(ordered) < 3:
        return [(int(row), "Example") for row in ordered]
    picks = (0, len(ordered) // 2, len(ordered) - 1)
    names = ("Most alike", "Median", "Least alike")
    return [(int(ordered[p]), name) for p, name in zip(picks, names, strict=True)]


def _heading(part: Mapping[str, Any]) -> str:
    found = part["rank_correlation"]
    if found["mean"] is None:
        return "no picture has two maps to compare"
    low, high = found["interval"]
    chance = found["chance"]
    beside = "" if chance is None else f", another picture of the class {chance:.2f}"
    return (
        f"mean rank correlation {found['mean']:.2f} ({low:.2f} to {high:.2f}) on "
        f"{found['count']} images{beside}"
    )
