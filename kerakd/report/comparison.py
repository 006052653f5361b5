"""Teacher and student side by side on single pictures."""

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from kerakd.errors import DataError, ModelError, RecipeError
from kerakd.evaluation.batches import labelled_batches, route, table_order
from kerakd.evaluation.classification import class_logits, probabilities
from kerakd.evaluation.logits import check_logits, forward_of, require_logits
from kerakd.explain.asking import explain_many, methods_for
from kerakd.explain.attention import RESOLUTION
from kerakd.explain.similarity import compare_maps
from kerakd.report.attention import Case, heat_rows
from kerakd.report.style import (
    INK,
    MUTED,
    colour,
    dress,
    head,
    percent,
    picture,
    plain,
    save,
    show_image,
)

_MOST_CLASSES = 8
_COLUMNS = 6  # at least, so that a single heat map is not larger than the picture
_HEAT_ROW = 1.75


def visualize_classification_kd(
    teacher: Any,
    student: Any,
    dataset: Any,
    idx: int | Sequence[int] = 0,
    class_names: Sequence[str] | None = None,
    temperature: float = 4.0,
    path: str | os.PathLike | None = None,
    methods: Sequence[str] | None = None,
) -> Figure:
    """Draw pictures beside what teacher and student say of them, and where they look.

    For each picture: the picture with its true class; the probabilities of both models
    and whether they agree; both softened by the temperature, which is what the
    student was trained to match; and below, the heat maps of both for the true class by
    every method, with the rank correlation of each pair.

    ```python
    kerakd.visualize_classification_kd(
        teacher, distiller, test_batches, idx=[0, 17], path="comparison.png"
    )
    ```

    Args:
        teacher: A `keras.Model` that ends in logits or a callable runner; or a list of
            them, whose probabilities (and softened probabilities) are averaged.
        student: The same, or a Distiller, whose student is taken.
        dataset: As in `kerakd.evaluate`. Pictures that come by routing key go to the
            network they are meant for.
        idx: Which pictures: a position in `dataset` from 0, or several of them. In an
            `ImageBatches` it is the row of its table, shuffled or not.
        class_names: One name for each class; by default those of `dataset`, or the
            indices.
        temperature: What the logits are divided by in the softened panel, above 0.
        path: The PNG to write, or `None`.
        methods: Names from `kerakd.explain.METHODS`; by default all that suit both
            networks, `()` for no heat maps. Callable runners show no activations: of
            them there are none unless `["rise"]` is asked for.

    Returns:
        The figure; it shows itself in a notebook.

    Raises:
        DataError: `idx` is outside the data, or the data are not labelled pictures.
        ModelError: The models give no logits, or for different classes, or cannot be
            explained by a method that was asked for.
        RecipeError: The temperature is not above 0, or there is no such method.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise RecipeError(f"The temperature must be above 0; got {temperature}.")
    wanted = [int(i) for i in np.atleast_1d(np.asarray(idx))]
    if not wanted:
        raise DataError("There is no picture to draw: idx is empty.")
    x, labels = _rows(dataset, wanted)
    teachers = teacher if isinstance(teacher, list | tuple) else [teacher]
    said = {
        "teacher": [_logits(one, route(x, "teacher"), "teacher") for one in teachers],
        "student": [_logits(student, route(x, "student"), "student")],
    }
    names = _names(said, class_names, dataset, labels)
    answers = {m: _mean(logits, 1.0) for m, logits in said.items()}
    softened = {m: _mean(logits, temperature) for m, logits in said.items()}

    student = getattr(student, "student", student)
    if methods is None:
        fitting = [methods_for(teachers), methods_for(student)]
        methods = [m for m in fitting[0] if m in fitting[1] and m != "rise"]
    cases = _cases(teachers, student, x, labels, methods)
    shown = min(len(names), _MOST_CLASSES)
    height = 1.35 + 0.42 * max(shown, 3)
    # A few methods stand side by side, more of them one network above the other.
    beside = 2 * len(methods) <= _COLUMNS
    heat = (1 if beside else 2) * _HEAT_ROW if methods else 0
    figure = picture(11, len(wanted) * (height + heat) + 0.4)
    grid = figure.add_gridspec(
        2 * len(wanted) if methods else len(wanted),
        1,
        height_ratios=[height, heat] * len(wanted) if methods else None,
    )
    pictures = _largest(x)
    for row in range(len(wanted)):
        place = 2 * row if methods else row
        above = grid[place].subgridspec(1, 3, width_ratios=[1, 1.45, 1.45])
        panels = [figure.add_subplot(above[k]) for k in range(3)]
        truth = int(labels[row])
        show_image(panels[0], pictures[row])
        panels[0].set_anchor("N")
        head(panels[0], f"Picture {wanted[row]}")
        panels[0].set_xlabel(
            f"truth: {plain(names[truth], 26)}", fontsize=11, color=INK
        )
        here = {model: p[row] for model, p in answers.items()}
        soft = {model: p[row] for model, p in softened.items()}
        classes = _classes_to_show(here, truth)
        _bars(panels[1], here, names, classes, truth)
        head(panels[1], _agreement(here, names, truth))
        _bars(panels[2], soft, names, classes, truth)
        head(panels[2], f"Softened, temperature {temperature:g}")
        for axes in panels[1:]:
            last = bool(methods) or row == len(wanted) - 1
            axes.set_xlabel("Probability (%)" if last else "")
        if len(classes) < len(names):
            panels[2].text(
                1,
                -0.2,
                f"{len(names) - len(classes)} less likely classes not shown",
                transform=panels[2].transAxes,
                ha="right",
                fontsize=9,
                color=MUTED,
            )
        if methods:
            many = len(methods)
            below = grid[place + 1].subgridspec(1 if beside else 2, max(_COLUMNS, many))
            heat_rows(
                [
                    [
                        figure.add_subplot(
                            below[0, k * many + m] if beside else below[k, m]
                        )
                        for m in range(many)
                    ]
                    for k in range(2)
                ],
                cases[row],
                methods,
                beside=beside,
            )
    several = f"Teachers (mean of {len(teachers)})" if len(teachers) > 1 else "Teacher"
    figure.legend(
        [Patch(color=colour("teacher")), Patch(color=colour("student"))],
        [several, "Student"],
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=10.5,
    )
    save(figure, path)
    return figure


def _cases(
    teachers: Sequence[Any],
    student: Any,
    x: Any,
    labels: np.ndarray,
    methods: Sequence[str],
) -> list[Case]:
    """Where both look in each picture, about its true class."""
    if not methods:
        return []
    found = {
        role: explain_many(model, np.asarray(route(x, role)), methods, labels)
        for role, model in (("teacher", list(teachers)), ("student", student))
    }
    size = (RESOLUTION, RESOLUTION)
    likeness = {
        method: compare_maps(*(one[method].at(size) for one in found.values()))
        for method in methods
    }
    pictures = _largest(x)
    return [
        Case(
            picture=pictures[row],
            title="",
            answers={},
            maps={
                role: {method: by[method].maps[row] for method in methods}
                for role, by in found.items()
            },
            likeness={
                method: float(likeness[method]["rank_correlation"][row])
                for method in methods
            },
        )
        for row in range(len(labels))
    ]


def _rows(dataset: Any, wanted: list[int]) -> tuple[Any, np.ndarray]:
    order = table_order(dataset)
    if order is None:
        positions = dict(zip(wanted, wanted, strict=True)) if wanted else {}
    else:
        place = {int(row): position for position, row in enumerate(order)}
        positions = {one: place.get(one, -1) for one in wanted}
    found, seen = {}, 0
    for x, y, _ in labelled_batches(dataset):
        for one, position in positions.items():
            if seen <= position < seen + len(y):
                k = position - seen
                found[one] = _slice(x, k), y[k]
        seen += len(y)
        if len(found) == len(positions):
            break
    missing = [one for one in wanted if one not in found]
    if missing:
        raise DataError(
            f"There is no picture {missing[0]}: the data have {seen}, counted from 0 "
            f"to {seen - 1}."
        )
    rows = [found[one][0] for one in wanted]
    if isinstance(rows[0], dict):
        x = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    else:
        x = np.concatenate(rows)
    return x, np.array([found[one][1] for one in wanted])


def _slice(x: Any, k: int) -> Any:
    if isinstance(x, dict):
        return {key: np.asarray(value[k : k + 1]) for key, value in x.items()}
    return np.asarray(x[k : k + 1])


def _logits(model: Any, x: Any, role: str) -> np.ndarray:
    require_logits(model)
    model = getattr(model, "student", model)
    count = len(next(iter(x.values())) if isinstance(x, dict) else x)
    if hasattr(model, "inputs"):
        # As in training: a network of another input size or channels gets its own.
        from kerakd.distillation.teachers import fit_to_input

        x = fit_to_input(x, model)
    logits = class_logits(check_logits(forward_of(model)(x)))
    if len(logits) != count:
        raise ModelError(
            f"The {role} gave {len(logits)} rows of logits for {count} pictures."
        )
    return logits


def _names(
    said: dict[str, list[np.ndarray]],
    class_names: Sequence[str] | None,
    dataset: Any,
    labels: np.ndarray,
) -> list[str]:
    counts = {model: {len(z[0]) for z in logits} for model, logits in said.items()}
    if len(counts["teacher"] | counts["student"]) > 1:
        raise ModelError(
            "Teacher and student must tell the same classes apart; the teacher has "
            f"{sorted(counts['teacher'])} outputs and the student "
            f"{sorted(counts['student'])}."
        )
    (count,) = counts["student"]
    if class_names is None:
        class_names = getattr(dataset, "class_names", None)
    names = [str(n) for n in (range(count) if class_names is None else class_names)]
    if len(names) != count:
        raise ModelError(
            f"The models give logits for {count} classes, and there are {len(names)} "
            f"class names ({', '.join(names)})."
        )
    if labels.max() >= count or labels.min() < 0:
        raise DataError(
            f"A label is {labels.max()}, and the models know the classes 0 to "
            f"{count - 1}."
        )
    return names


def _mean(logits: list[np.ndarray], temperature: float) -> np.ndarray:
    return np.mean([probabilities(z, temperature) for z in logits], axis=0)


def _largest(x: Any) -> np.ndarray:
    """The pictures to show: where they come in several sizes, the largest."""
    if isinstance(x, dict):
        return max(x.values(), key=lambda pixels: pixels[0].size)
    return x


def _classes_to_show(answers: dict[str, np.ndarray], truth: int) -> list[int]:
    strength = np.max(list(answers.values()), axis=0)
    strength[truth] = np.inf
    return sorted(np.argsort(-strength, kind="stable")[:_MOST_CLASSES].tolist())


def _bars(
    axes: Axes,
    answers: dict[str, np.ndarray],
    names: list[str],
    classes: list[int],
    truth: int,
) -> None:
    places = np.arange(len(classes))
    for model, shift in (("teacher", -0.2), ("student", 0.2)):
        values = answers[model][classes]
        axes.barh(places + shift, values, height=0.36, color=colour(model))
        for place, value in zip(places + shift, values, strict=True):
            axes.text(
                value + 0.015,
                place,
                percent(value),
                va="center",
                fontsize=9,
                color=INK,
            )
    axes.set_yticks(
        places, [plain(names[k], 20) + " (truth)" * (k == truth) for k in classes]
    )
    axes.set_ylim(len(classes) - 0.45, -0.55)
    axes.set_xlim(0, 1.17)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    dress(axes, grid="x")
    axes.tick_params(axis="y", length=0)
    axes.get_yticklabels()[classes.index(truth)].set_fontweight("bold")


def _agreement(answers: dict[str, np.ndarray], names: list[str], truth: int) -> str:
    teacher, student = (int(answers[m].argmax()) for m in ("teacher", "student"))
    if teacher == student:
        verdict = "right" if teacher == truth else "wrong"
        return f"Both say {plain(names[teacher], 20)}: {verdict}"
    if truth == teacher:
        return "They disagree: the teacher is right"
    if truth == student:
        return "They disagree: the student is right"
    return "They disagree, and both are wrong"
