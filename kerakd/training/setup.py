"""What makes a training this one and no other: what a resume has to repeat."""

import json
from pathlib import Path
from typing import Any

import keras

from kerakd.distillation.teachers import weights_hash
from kerakd.errors import RecipeError
from kerakd.training.feeding import Feed
from kerakd.training.options import TrainingOptions


def describe(
    model: keras.Model,
    options: TrainingOptions,
    train: Feed,
    validation: Feed | None,
    weights: Any,
    about: dict,
) -> dict:
    """All that decides the weights a training ends with, as plain values.

    Args:
        model: The compiled model or Distiller.
        options: How it is trained.
        train: On what.
        validation: On what decisions are made; `None` for none.
        weights: Class weights, or `None`.
        about: What else the caller knows of the training.
    """
    free = TrainingOptions.free_names()
    setup = {
        "options": {k: v for k, v in options.get_config().items() if k not in free},
        "training data": train.description,
        "validation data": validation.description if validation else None,
        "class_weight": None if weights is None else weights.tolist(),
        "loss": keras.tree.map_structure(_serialized, model.loss),
    }
    if hasattr(model, "distillation_losses"):
        setup["distillation"] = {
            "teacher weights": _teachers(model),
            "distillation_losses": [_serialized(x) for x in model.distillation_losses],
            "distillation_loss_weights": list(model.distillation_loss_weights),
            "student_loss_weight": _serialized(model.student_loss_weight),
        }
    return setup | {key: _serialized(value) for key, value in about.items()}


def _teachers(distiller: Any) -> Any:
    # A moving average begins with the student, which a checkpoint replaces.
    if distiller.mean_teacher is not None:
        return {"mean teacher": distiller.mean_teacher.get_config()}
    teacher = distiller.teacher
    teachers = teacher if isinstance(teacher, list) else [teacher]
    return [weights_hash(one) for one in teachers]


def _serialized(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_serialized(v) for v in value]
    return keras.saving.serialize_keras_object(value)


def check_same(before: dict, now: dict, name: str, folder: Path) -> None:
    """Refuse to resume a training that was another one.

    Raises:
        RecipeError: Names the first value that differs.
    """
    now = json.loads(json.dumps(now))
    difference = _first_difference(before, now)
    if difference is None:
        return
    path, old, new = difference
    raise RecipeError(
        f"Cannot resume {name!r} from {folder}: {' '.join(path[:-1])} `{path[-1]}` "
        f"was {_short(old)} and is now {_short(new)}. Give the old value, or another "
        "`out`, or train anew with resume=False."
    )


_ABSENT = object()


def _first_difference(old: Any, new: Any, path: tuple = ()) -> tuple | None:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            found = _first_difference(
                old.get(key, _ABSENT), new.get(key, _ABSENT), (*path, key)
            )
            if found is not None:
                return found
        return None
    return None if old == new else (path, old, new)


def _short(value: Any) -> str:
    if value is _ABSENT or value is None:
        return "none"
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."
