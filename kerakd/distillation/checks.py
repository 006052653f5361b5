"""What can be wrong with a Distiller's arguments, said before training starts."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from kerakd.distillation.base import snake_case
from kerakd.errors import ModelError, RecipeError
from kerakd.models.logits import ends_in_logits

_CROSSENTROPIES = {
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
}


def as_list(value: Any, name: str) -> list:
    """One thing or several, as a list that is not empty."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values or any(v is None for v in values):
        raise RecipeError(f"`{name}` must be given; got {value!r}.")
    return values


def is_model(model: Any, role: str) -> None:
    """Refuse what is no Keras 3 model."""
    if not isinstance(model, keras.Model):
        raise ModelError(
            f"The {role} must be a Keras 3 model; got {type(model).__module__}."
            f"{type(model).__name__}."
        )


def gives_logits(model: keras.Model, role: str) -> None:
    """Refuse a model that ends in probabilities."""
    is_logits, reason = ends_in_logits(model)
    if not is_logits:
        raise ModelError(
            f"The {role} {model.name!r} gives probabilities ({reason}), but "
            "distillation needs logits; build it without that activation, or pass "
            f"kerakd.models.with_logits({role})."
        )


def weights(values: Any, count: int, name: str) -> list[float]:
    """Weights of the losses: numbers of at least 0, one for each."""
    if values is None:
        return [1.0] * count
    values = list(values) if isinstance(values, list | tuple) else [values]
    if len(values) != count:
        raise RecipeError(
            f"`{name}` must hold {count} number(s), one for each loss; got {values!r}."
        )
    for value in values:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or value < 0:
            raise RecipeError(
                f"`{name}` must hold finite numbers of at least 0; got {value!r}."
            )
    return values


def shares(values: Any, count: int) -> list[float]:
    """Shares of the teachers: as `weights`, and not all of them 0."""
    values = weights(values, count, "teacher_weights")
    if min(values) <= 0:
        raise RecipeError(
            f"`teacher_weights` must be greater than 0, leave a teacher out instead; "
            f"got {values!r}."
        )
    return values


def teacher_layers(losses: Sequence[Any], count: int) -> list[list[str]]:
    """For each teacher, the layers that losses read."""
    names: list[list[str]] = [[] for _ in range(count)]
    for loss in losses:
        name = getattr(loss, "teacher_layer_name", None)
        index = getattr(loss, "teacher_index", 0)
        if not 0 <= index < count:
            raise RecipeError(
                f"Loss {loss.name!r} reads teacher {index}, but there are {count} "
                "(counted from 0)."
            )
        if name is not None:
            names[index].append(name)
    return names


def student_layers(losses: Sequence[Any], label_layer: str | None = None) -> list[str]:
    """The layers of the student that losses read, the loss on labels included."""
    names = [getattr(loss, "student_layer_name", None) for loss in losses]
    names.append(label_layer)
    return [name for name in names if name is not None]


def term_names(losses: Sequence[Any]) -> list[str]:
    """A name for each loss in the logs; repeated ones are numbered from 2."""
    names: list[str] = []
    for loss in losses:
        base = getattr(loss, "name", None) or snake_case(type(loss).__name__)
        name, count = base, 1
        while name in names or name in ("student_loss", "distillation_loss"):
            count += 1
            name = f"{base}_{count}"
        names.append(name)
    return names


def teacher_and_student(
    teacher: Any, student: keras.Model, losses: Sequence[Any]
) -> None:
    """Refuse a pair that cannot teach and learn.

    Raises:
        ModelError: One is no model or ends in probabilities, or they differ in
            classes where outputs are compared.
    """
    is_model(teacher, "teacher")
    if teacher is student:
        raise ModelError(
            "Teacher and student are the same object; the student would teach itself. "
            "For self-distillation clone it: keras.models.clone_model(model)."
        )
    gives_logits(teacher, "teacher")
    gives_logits(student, "student")
    compares_outputs = False
    for loss in losses:
        if isinstance(loss, keras.distillation.DistillationLoss):
            loss.validate_model_compatibility(teacher, student)
        compares_outputs |= getattr(loss, "teacher_layer_name", None) is None
    if compares_outputs:
        _same_classes(teacher, student)


def _same_classes(teacher: keras.Model, student: keras.Model) -> None:
    shapes = [getattr(model, "outputs", None) for model in (teacher, student)]
    if None in shapes:
        return  # Subclassed models: their first batch tells.
    if len(shapes[0]) != len(shapes[1]):
        raise ModelError(
            f"The teacher {teacher.name!r} has {len(shapes[0])} outputs and the "
            f"student {student.name!r} {len(shapes[1])}; give both the same, or one "
            "model with the outputs to compare."
        )
    for theirs, ours in zip(*shapes, strict=True):
        if theirs.shape[-1] != ours.shape[-1]:
            raise ModelError(
                f"The teacher {teacher.name!r} has {theirs.shape[-1]} classes and the "
                f"student {student.name!r} {ours.shape[-1]}; build both with the same "
                "`num_classes`."
            )


def label_loss(loss: Any, student_loss_weight: Any) -> Any:
    """The loss on labels, on logits.

    Raises:
        ModelError: It is missing though labels count, or expects probabilities.
    """
    if loss is None:
        if student_loss_weight == 0:
            return None
        raise ModelError(
            "`compile` needs a `loss` for the labels, for example "
            "keras.losses.SparseCategoricalCrossentropy(from_logits=True), unless "
            "student_loss_weight is 0."
        )
    return keras.tree.map_structure(_on_logits, loss)


def _on_logits(loss: Any) -> Any:
    if isinstance(loss, str) and loss in _CROSSENTROPIES:
        return _CROSSENTROPIES[loss](from_logits=True)
    expects_probabilities = (
        isinstance(loss, tuple(_CROSSENTROPIES.values()))
        and not loss.get_config()["from_logits"]
    ) or loss in [getattr(keras.losses, name) for name in _CROSSENTROPIES]
    if expects_probabilities:
        name = getattr(loss, "__name__", None) or type(loss).__name__
        raise ModelError(
            f"The student gives logits, but the loss {name} expects probabilities; "
            "build it with from_logits=True, for example "
            "keras.losses.SparseCategoricalCrossentropy(from_logits=True)."
        )
    return loss
