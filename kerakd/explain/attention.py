"""Do teacher and student look at the same places?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerakd.errors import DataError, RecipeError, nearest
from kerakd.evaluation.batches import labelled_batches, route, table_order
from kerakd.explain.asking import explain_many, methods_for, opinion
from kerakd.explain.intervals import mean_interval
from kerakd.explain.similarity import MEASURES, compare_maps

TARGETS = ("label", "teacher", "predicted")
RESOLUTION = 32


def agreement(
    teacher: Any,
    student: Any,
    data: Any,
    methods: Sequence[str] | None = None,
    *,
    target: str = "label",
    resolution: int = RESOLUTION,
    class_names: Sequence[str] | None = None,
    groups: Any = None,
    options: dict[str, dict[str, Any]] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Agreement of attention between two networks over a whole set.

    ```python
    figures = kerakd.explain.agreement(teacher, student, test_batches, ["gradcam"])
    figures["methods"]["gradcam"]["all"]["rank_correlation"]
    ```

    Args:
        teacher: As in `kerakd.explain.explain`; a list is an ensemble.
        student: The same.
        data: As in `kerakd.evaluate`. Pictures that come by routing key go to the
            network they are meant for.
        methods: Names of methods; by default those that suit both networks.
        target: Which class both maps are about: the `"label"`, the class that the
            `"teacher"` gives, or `"predicted"`, each network's own.
        resolution: Maps of both are brought to this many cells across and down before
            they are compared: networks see pictures of different sizes.
        class_names: Names of the classes; by default those of `data`.
        groups: What the bootstrap draws together, one for each picture.
        options: Options of methods, by name.
        resamples: Draws of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        What `agreement_of_maps` gives, JSON-able.

    Raises:
        ModelError: A network cannot be explained.
        DataError: The data cannot be read.
        RecipeError: There is no such target or method.
    """
    if target not in TARGETS:
        raise RecipeError(f"There is no target {target!r}. {nearest(target, TARGETS)}")
    if methods is None:
        fitting = set(methods_for(student))
        methods = [m for m in methods_for(teacher) if m in fitting]
    if class_names is None:
        class_names = getattr(data, "class_names", None)
    collected = collect(teacher, student, data, methods, target, resolution, options)
    return agreement_of_maps(
        collected["teacher"],
        collected["student"],
        collected["labels"],
        collected["teacher_says"],
        collected["student_says"],
        class_names=class_names,
        groups=groups,
        resamples=resamples,
        seed=seed,
    ) | {"target": target, "resolution": resolution}


def collect(
    teacher: Any,
    student: Any,
    data: Any,
    methods: Sequence[str],
    target: str = "label",
    resolution: int = RESOLUTION,
    options: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Maps of both networks on all pictures, at one resolution.

    Returns:
        `teacher` and `student` (by method, float32 (N, resolution, resolution)),
        `labels`, `teacher_says`, `student_says` (N,), and `completeness` (by network
        and picture, of integrated gradients, where it is among the methods).
    """
    size = (resolution, resolution)
    networks = {"teacher": teacher, "student": student}
    maps = {role: {method: [] for method in methods} for role in networks}
    says = {role: [] for role in networks}
    errors = {role: [] for role in networks}
    labels = []
    for x, y, _ in labelled_batches(data):
        pictures = {role: np.asarray(route(x, role)) for role in networks}
        answers = {
            role: opinion(_members(model), pictures[role]).argmax(-1)
            for role, model in networks.items()
        }
        about = {"label": y, "teacher": answers["teacher"]}.get(target)
        for role, model in networks.items():
            found = explain_many(
                model,
                pictures[role],
                methods,
                answers[role] if about is None else about,
                options=options,
            )
            for method, one in found.items():
                maps[role][method].append(one.at(size))
                if "completeness_error" in one.details:
                    errors[role].append(one.details["completeness_error"])
            says[role].append(answers[role])
        labels.append(y)
    if not labels:
        raise DataError("There are no pictures to explain: the data are empty.")
    result = {
        "labels": np.concatenate(labels),
        **{f"{role}_says": np.concatenate(rows) for role, rows in says.items()},
        **{
            role: {method: np.concatenate(rows) for method, rows in by_method.items()}
            for role, by_method in maps.items()
        },
    }
    order = table_order(data)
    if order is not None:
        result = _in_table_order(result, order)
    result["completeness"] = {
        role: np.concatenate(rows) for role, rows in errors.items() if rows
    }
    return result


def agreement_of_maps(
    teacher: dict[str, np.ndarray],
    student: dict[str, np.ndarray],
    labels: np.ndarray,
    teacher_says: np.ndarray,
    student_says: np.ndarray,
    *,
    class_names: Sequence[str] | None = None,
    groups: Any = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Agreement of maps that are there already.

    Beside each figure stands `chance`: the same measure between the teacher's map of a
    picture and the student's map of *another picture of the same class*. Two networks
    that always look at the middle of the head agree, but by no more than that.

    Args:
        teacher: By method, maps (N, h, w).
        student: By method, maps of the same shapes.
        labels: Class indices (N,).
        teacher_says: Predicted classes (N,).
        student_says: Predicted classes (N,).
        class_names: Names of the classes.
        groups: As in `mean_interval`.
        resamples: The same.
        seed: The same.

    Returns:
        JSON-able: `count`; `methods`: for each the parts `all`, `right` (both networks
        right), `student_wrong`, `teacher_wrong` and `by_class` (by name), each with
        `rank_correlation`, `top_iou` and `centre_distance` (as in `compare_maps`), each
        `{mean, interval, count, chance}`; and `empty` (constant maps by network, which
        are left out).
    """
    labels, teacher_says, student_says = map(
        np.asarray, (labels, teacher_says, student_says)
    )
    if class_names is None:
        class_names = [str(k) for k in range(int(labels.max()) + 1)]
    right = (teacher_says == labels) & (student_says == labels)
    parts = {
        "all": np.ones(len(labels), bool),
        "right": right,
        "student_wrong": student_says != labels,
        "teacher_wrong": teacher_says != labels,
    }
    others = _other_of_same_class(labels, seed)
    methods = {}
    for method in teacher:
        measured = compare_maps(teacher[method], student[method])
        by_chance = compare_maps(teacher[method], student[method][others])
        # A class of one picture has no other one.
        alone = others == np.arange(len(labels))
        by_chance = {m: np.where(alone, np.nan, v) for m, v in by_chance.items()}

        def part(rows, measured=measured, by_chance=by_chance):
            chosen = None if groups is None else np.asarray(groups)[rows]
            return {
                name: mean_interval(measured[name][rows], chosen, resamples, seed)
                | {"chance": _mean(by_chance[name][rows])}
                for name in MEASURES
            }

        methods[method] = {name: part(rows) for name, rows in parts.items()}
        methods[method]["by_class"] = {
            name: part(labels == k) for k, name in enumerate(class_names)
        }
        methods[method]["empty"] = {
            role: int((np.ptp(maps[method], axis=(1, 2)) == 0).sum())
            for role, maps in (("teacher", teacher), ("student", student))
        }
    return {"count": len(labels), "methods": methods}


def _other_of_same_class(labels: np.ndarray, seed: int) -> np.ndarray:
    """For each picture another one of its class, each used once."""
    others = np.arange(len(labels))
    generator = np.random.default_rng(seed)
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        others[rows] = np.roll(rows, 1)
    return others


def _in_table_order(result: dict[str, Any], order: np.ndarray) -> dict[str, Any]:
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return {
        key: {method: maps[back] for method, maps in value.items()}
        if isinstance(value, dict)
        else value[back]
        for key, value in result.items()
    }


def _members(model: Any) -> list[Any]:
    return list(model) if isinstance(model, list | tuple) else [model]


def _mean(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None
