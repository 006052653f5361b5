"""A Distiller as plain values and back: what its file says besides weights."""

from dataclasses import asdict
from typing import Any

import keras

from kerakd.distillation import schedules
from kerakd.distillation.mean_teacher import MeanTeacher
from kerakd.distillation.teachers import TeacherReference, Teachers


def describe(distiller: Any, teachers: Teachers) -> dict[str, Any]:
    """The constructor's arguments, serialised; teachers by path and hash alone."""
    serialize = keras.saving.serialize_keras_object
    preprocessing = teachers.preprocessing
    return {
        "name": distiller.name,
        "dtype": serialize(distiller.dtype_policy),
        "teacher": _teacher(distiller, teachers),
        "student": serialize(distiller.student),
        "distillation_losses": [serialize(x) for x in distiller.distillation_losses],
        "distillation_loss_weights": list(distiller.distillation_loss_weights),
        "student_loss_weight": schedules.serialize(distiller.student_loss_weight),
        "label_layer_name": distiller.label_layer_name,
        "teacher_dtype": teachers.dtype,
        "teacher_weights": list(teachers.weights),
        "teacher_preprocessing": preprocessing and serialize(preprocessing),
    }


def _teacher(distiller: Any, teachers: Teachers) -> Any:
    if distiller.mean_teacher is not None:
        return distiller.mean_teacher.get_config()
    return [asdict(reference) for reference in teachers.references()]


def read(config: dict[str, Any]) -> dict[str, Any]:
    """The constructor's arguments from what `describe` gave."""
    deserialize = keras.saving.deserialize_keras_object
    arguments = dict(config)
    teacher = config["teacher"]
    arguments["teacher"] = (
        MeanTeacher(**teacher)
        if isinstance(teacher, dict)
        else [TeacherReference.from_config(one) for one in teacher]
    )
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


def random_states(distiller: keras.Model) -> list:
    """Dropout's and its like's states, which Keras does not save."""
    kept = {id(weight) for weight in distiller.weights}
    return [v for v in distiller.variables if id(v) not in kept]
