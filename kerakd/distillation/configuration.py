"""A Distiller as plain values and back: what its file says besides weights."""

from dataclasses import asdict
from typing import Any

import keras

from kerakd.distillation import schedules
from kerakd.distillation.teachers import TeacherReference, Teachers


def describe(distiller: Any, teachers: Teachers) -> dict[str, Any]:
    """The constructor's arguments, serialised; teachers by path and hash alone."""
    serialize = keras.saving.serialize_keras_object
    preprocessing = teachers.preprocessing
    return {
        "name": distiller.name,
        "dtype": serialize(distiller.dtype_policy),
        "teacher": [asdict(reference) for reference in teachers.references()],
        "student": serialize(distiller.student),
        "distillation_losses": [serialize(x) for x in distiller.distillation_losses],
        "distillation_loss_weights": list(distiller.distillation_loss_weights),
        "student_loss_weight": schedules.serialize(distiller.student_loss_weight),
        "teacher_weights": list(teachers.weights),
        "teacher_preprocessing": preprocessing and serialize(preprocessing),
    }


def read(config: dict[str, Any]) -> dict[str, Any]:
    """The constructor's arguments from what `describe` gave."""
    deserialize = keras.saving.deserialize_keras_object
    arguments = dict(config)
    arguments["teacher"] = [TeacherReference.from_config(t) for t in config["teacher"]]
    for key in ("student", "dtype"):
        arguments[key] = deserialize(config[key])
    arguments["distillation_losses"] = [
        deserialize(loss) for loss in config["distillation_losses"]
    ]
    arguments["student_loss_weight"] = schedules.deserialize(
        config["student_loss_weight"]
    )
    if config["teacher_preprocessing"] is not None:
        arguments["teacher_preprocessing"] = deserialize(
            config["teacher_preprocessing"]
        )
    return arguments
