"""What the three ways to compress in training begin with."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerakd.compress.aware.objective import Objective
from kerakd.compress.aware.settings import Lesson
from kerakd.compress.bridge.convert import flat_twin, to_tf_keras
from kerakd.compress.bridge.weights import pairs
from kerakd.compress.requests import check_class_names, check_json, check_model
from kerakd.errors import DataError, RecipeError
from kerakd.training.feeding import Feed, feed
from kerakd.training.options import TrainingOptions

_IMAGES = 128


@dataclasses.dataclass
class Start:
    """The student on the other side of the bridge, and what it will learn.

    Attributes:
        student: The Keras 3 student.
        flat: Its flat float32 graph.
        legacy: Its twin.
        feed: The training data.
        objective: The loss.
        images: Some hundred training images, as the student sees them.
        class_names: Names of the logits, if known.
        path: The file to write, if any.
    """

    student: keras.Model
    flat: keras.Model
    legacy: Any
    feed: Feed
    objective: Objective
    images: np.ndarray
    class_names: list[str] | None
    path: Path | None

    def trainable(self, network: Any) -> list:
        """The variables of a wrapped twin that may learn: those of the student's."""
        return [twin for own, twin in pairs(self.flat, network) if own.trainable]


def start(
    student: keras.Model,
    train_data: Any,
    lesson: Lesson,
    *,
    teacher: Any,
    distillation_losses: Any,
    student_loss_weight: Any,
    temperature: float,
    loss: Any,
    path: Any,
    class_names: Any,
    provenance: Any,
) -> Start:
    """Check the arguments, cross the bridge, open the data.

    Raises:
        RecipeError, ModelError, DataError: As the public functions say.
    """
    path = None if path is None else Path(path)
    if path is not None and path.suffix != ".tflite":
        raise RecipeError(f"An exported file ends in .tflite; {path} does not.")
    check_model(student)
    check_json("provenance", provenance)
    keras.utils.set_random_seed(lesson.seed)
    options = TrainingOptions(batch_size=lesson.batch_size, seed=lesson.seed)
    opened = feed(train_data, options)
    names = class_names or opened.class_names
    names = check_class_names(names, student.outputs[0].shape[-1])
    objective = Objective(
        student,
        opened,
        teacher,
        distillation_losses,
        student_loss_weight,
        temperature,
        loss,
    )
    return Start(
        student=student,
        flat=flat_twin(student),
        legacy=to_tf_keras(student, lesson.seed),
        feed=opened,
        objective=objective,
        images=_first_images(opened, objective),
        class_names=names,
        path=path,
    )


def _first_images(opened: Feed, objective: Objective) -> np.ndarray:
    steps = opened.steps_per_epoch
    found, count = [], 0
    for x, *_ in opened.stream(0, steps):
        batch = np.asarray(objective.images(x), np.float32)
        if not np.isfinite(batch).all():
            raise DataError(
                "The training images hold NaN or infinity; look at the files with "
                "kerakd audit."
            )
        found.append(batch)
        count += len(batch)
        if count >= _IMAGES:
            break
    return np.concatenate(found)[:_IMAGES]
