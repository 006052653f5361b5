"""One distillation loss inside a Distiller: what it compares, and how it is reduced."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerakd.distillation import checks, schedules
from kerakd.distillation.projector import Projector
from kerakd.distillation.taps import TappedModel
from kerakd.distillation.teachers import Teachers
from kerakd.errors import ModelError


class Term:
    """A loss, what it reads, and its name in the logs.

    Args:
        loss: A `keras.losses.Loss` or a `keras.distillation.DistillationLoss`.
        projector: Brings the student's features to the teacher's shape, or `None`.
        name: Name in the logs.
    """

    def __init__(self, loss: Any, projector: Projector | None, name: str):
        self.loss = loss
        self.projector = projector
        self.name = name

    def __call__(
        self,
        teachers: Teachers,
        answers: list,
        y_pred: Any,
        features: dict[str, Any],
        y: Any,
        sample_weight: Any,
    ) -> Any:
        """The term's value on a batch, a scalar."""
        teacher = self._of_teachers(teachers, answers)
        name = getattr(self.loss, "student_layer_name", None)
        student = y_pred if name is None else features[name]
        if self.projector is not None:
            teacher, student = self.projector.align(teacher, student)
        if isinstance(self.loss, keras.distillation.DistillationLoss):
            return _keras_distillation(self.loss, teacher, student, sample_weight)
        output = getattr(self.loss, "output", None)
        if output is not None:
            teacher, student = teacher[output], student[output]
            y, sample_weight = _pick(y, output), _pick(sample_weight, output)
        return _sum_over_outputs(self.loss, teacher, student, y, sample_weight)

    def _of_teachers(self, teachers: Teachers, answers: list) -> Any:
        name = getattr(self.loss, "teacher_layer_name", None)
        if name is not None:
            return answers[getattr(self.loss, "teacher_index", 0)][1][name]
        temperature = schedules.current(getattr(self.loss, "temperature", 1.0))
        return teachers.combine([outputs for outputs, _ in answers], temperature)


def make_terms(
    losses: Sequence[Any], teachers: Teachers, student: TappedModel
) -> list[Term]:
    """The losses of a Distiller with their projectors and their names in the logs."""
    names = checks.term_names(losses)
    return [
        Term(loss, _projector(loss, index, teachers, student), name)
        for index, (loss, name) in enumerate(zip(losses, names, strict=True))
    ]


def _projector(
    loss: Any, index: int, teachers: Teachers, student: TappedModel
) -> Projector | None:
    if not getattr(loss, "projects", False) or loss.teacher_layer_name is None:
        return None
    theirs = teachers.feature_shapes(loss.teacher_index)[loss.teacher_layer_name]
    ours = student.feature_shapes[loss.student_layer_name]
    if tuple(theirs[1:]) == tuple(ours[1:]):
        return None
    projector = Projector(theirs, ours, name=f"projector_{index}")
    projector.build()
    return projector


def _pick(values: Any, output: str | int) -> Any:
    return values[output] if isinstance(values, dict | list | tuple) else values


def _for_each(values: Any, count: int) -> list:
    """Labels or weights of each output: their own, or the same for all."""
    if isinstance(values, dict | list | tuple):
        return keras.tree.flatten(values)
    return [values] * count


def _sum_over_outputs(
    loss: Any, teacher: Any, student: Any, y: Any, weights: Any
) -> Any:
    teachers, students = keras.tree.flatten(teacher), keras.tree.flatten(student)
    labels = _for_each(y, len(students))
    weights = _for_each(weights, len(students))
    total = 0.0
    for said, answer, label, weight in zip(
        teachers, students, labels, weights, strict=True
    ):
        if getattr(loss, "uses_labels", False):
            if label is None:
                raise ModelError(
                    f"The loss {loss.name!r} needs labels, and the data hold none; "
                    "give (x, y), or take a loss on the teacher alone."
                )
            said = {"labels": label, "teacher": said}
        total = total + loss(said, answer, sample_weight=weight)
    return total


def _keras_distillation(loss: Any, teacher: Any, student: Any, weights: Any) -> Any:
    """A Keras `DistillationLoss`, which knows no sample weights, with them.

    Such a loss gives the mean over a batch. Applied to one sample at a time it gives
    what a weight can be multiplied with; without weights one call does.
    """
    loss.validate_outputs(teacher, student)
    if weights is None:
        return loss.compute_loss(teacher, student)

    def one(pair):
        return loss.compute_loss(
            *keras.tree.map_structure(lambda t: ops.expand_dims(t, 0), pair)
        )

    values = ops.vectorized_map(one, (teacher, student))
    weights = ops.cast(ops.reshape(weights, (-1,)), values.dtype)
    return ops.mean(values * weights)
