"""What a network learns while it is compressed: labels, and what a teacher says."""

from collections.abc import Sequence
from typing import Any

import keras

from kerakd.compress.bridge.convert import copy_of
from kerakd.distillation.distiller import Distiller
from kerakd.distillation.logits import KLDivergence
from kerakd.distillation.routing import is_routed, route
from kerakd.distillation.teachers import TeacherReference
from kerakd.errors import ModelError, RecipeError
from kerakd.training.feeding import Feed
from kerakd.training.labels import check_range, default_loss, label_form


class Objective:
    """The loss of the `kerakd.Distiller`, of logits that another network gives.

    Args:
        student: The Keras 3 student, for its shapes alone.
        feed: The training data.
        teacher: A Keras 3 model that gives logits (the float student itself, too), the
            path of one, or several; `None` where there is none, or where the data bring
            its logits.
        distillation_losses: As the Distiller's; KL divergence at `temperature` if
            `None`.
        student_loss_weight: Weight of the labels, in [0, 1].
        temperature: Of the default distillation loss.
        loss: Compares labels with logits; crossentropy if `None`.
    """

    def __init__(
        self,
        student: keras.Model,
        feed: Feed,
        teacher: Any,
        distillation_losses: Any,
        student_loss_weight: Any,
        temperature: float,
        loss: Any,
    ):
        x = feed.elements()[0]
        if loss is None:
            form = label_form(student, feed, "student")
            check_range(feed, form, student.name)
            loss = default_loss(form, form.one_hot, 0.0)
        cached = is_routed(x) and "teacher_outputs" in x
        if teacher is None and cached:
            count = x["teacher_outputs"].shape[1]
            teacher = [TeacherReference(None, "") for _ in range(count)]
        self._loss = loss
        self._distiller = None
        if teacher is None and distillation_losses is not None:
            raise RecipeError(
                "There are distillation_losses and nobody to learn from; give "
                "`teacher`, or batches of a kerakd.TeacherCache."
            )
        if teacher is not None:
            if student in (teacher if isinstance(teacher, list | tuple) else [teacher]):
                # Its float self is a good teacher, and the one that learns is the
                # legacy twin; a Distiller wants two objects.
                student = copy_of(student)
            self._distiller = Distiller(
                teacher,
                student,
                _losses(distillation_losses, temperature),
                student_loss_weight=student_loss_weight,
            )
            self._distiller.compile(optimizer="sgd", loss=loss)

    @property
    def has_teacher(self) -> bool:
        """Whether somebody teaches beside the labels."""
        return self._distiller is not None

    def __call__(self, x: Any, y: Any, weight: Any, logits: Any) -> dict[str, Any]:
        """Parts of the loss of one batch, scalars; `total_loss` is to be lowered."""
        if self._distiller is None:
            hard = self._loss(y, logits, sample_weight=weight)
            return {"student_loss": hard, "total_loss": hard}
        answers = self._distiller.ask_teachers(x)
        parts = self._distiller.compute_losses(y, logits, {}, answers, weight)
        self._distiller.steps.assign_add(1)
        wanted = ("student_loss", "distillation_loss", "total_loss")
        return {key: parts[key] for key in wanted if key in parts}

    @staticmethod
    def images(x: Any) -> Any:
        """The part of the inputs that the student sees."""
        return route(x, "student")


def _losses(given: Any, temperature: float) -> Any:
    if given is None:
        return KLDivergence(temperature=temperature)
    for loss in given if isinstance(given, Sequence) else [given]:
        if getattr(loss, "student_layer_name", None) is not None:
            raise ModelError(
                f"The distillation loss {type(loss).__name__} reads the student's "
                f"layer {loss.student_layer_name!r}, and a network that is being "
                "compressed shows its logits alone; take a loss on logits."
            )
    return given
