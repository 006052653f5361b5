"""A teacher that is the moving average of its own student."""

from typing import Any

import keras
from keras import ops

from kerakd.errors import RecipeError


class MeanTeacher:
    """The exponential moving average of the student's weights, as its teacher.

    Given to a `kerakd.Distiller` in place of a teacher. The Distiller makes a copy of
    the student, asks it as it would any teacher, and after every step moves it:
    `average = m * average + (1 - m) * student`, with
    `m = min(momentum, 1 - 1 / (step + 1))`, so that the beginning is soon forgotten.
    BatchNorm's statistics are averaged likewise. Meant for a student and a teacher that
    see different pictures: `{"student": x, "teacher": x2}`.

    "Mean teachers are better role models", Tarvainen and Valpola, NeurIPS 2017
    (arXiv:1703.01780).

    Args:
        momentum: In [0, 1); the share of the average that stays at each step.

    Raises:
        RecipeError: The momentum is out of range.

    Example:

    ```python
    import kerakd

    student = kerakd.models.build("mobilenet_v3_small", 4, (64, 64, 3))
    distiller = kerakd.Distiller(
        kerakd.MeanTeacher(momentum=0.99), student, kerakd.losses.KLDivergence(1.0)
    )
    # ... compile and fit; then distiller.teacher is the average.
    ```
    """

    def __init__(self, momentum: float = 0.999):
        is_number = isinstance(momentum, int | float) and not isinstance(momentum, bool)
        if not is_number or not 0 <= momentum < 1:
            raise RecipeError(f"`momentum` must be in [0, 1); got {momentum!r}.")
        self.momentum = momentum

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {"momentum": self.momentum}

    def copy_of(self, student: keras.Model) -> keras.Model:
        """A frozen copy of the student, where the average begins."""

        def without_penalties(layer):
            found = layer.get_config()
            # The penalty on what the student's layers say is the student's alone.
            if "activity_regularizer" in found:
                found["activity_regularizer"] = None
            return type(layer).from_config(found)

        copy = keras.models.clone_model(
            student, clone_function=without_penalties, recursive=True
        )
        copy.set_weights(student.get_weights())
        copy.trainable = False
        return copy

    def follow(self, average: keras.Model, student: keras.Model, step: Any) -> None:
        """Move the average towards the student.

        Args:
            average: What `copy_of` made.
            student: The student, after its step.
            step: Steps done, a scalar tensor of at least 1.
        """
        step = ops.cast(step, "float32")
        momentum = ops.minimum(self.momentum, 1.0 - 1.0 / (step + 1.0))
        for kept, new in zip(average.weights, student.weights, strict=True):
            share = ops.cast(1.0 - momentum, kept.dtype)
            value = ops.cast(new.value, kept.dtype)
            kept.assign(kept.value + share * (value - kept.value))
