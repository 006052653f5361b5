"""Born-again networks: a network teaches the next one of its own kind."""

import os
from collections.abc import Callable
from typing import Any

import keras

from kerakd.errors import RecipeError
from kerakd.training.fit import train_student, train_teacher

_OF_DISTILLATION = (
    "distillation_losses",
    "distillation_loss_weights",
    "temperature",
    "student_loss_weight",
)


def train_born_again(
    build: Callable[[], keras.Model],
    train: Any,
    validation: Any = None,
    *,
    generations: int = 1,
    teacher: keras.Model | None = None,
    out: str | os.PathLike | None = None,
    resume: bool = False,
    name: str = "generation",
    **options: Any,
) -> list[keras.Model]:
    """Train a network, then new ones of the same kind, each taught by the one before.

    "Born-Again Neural Networks", Furlanello et al., ICML 2018 (arXiv:1805.04770). The
    paper's ensemble of all generations is had by giving the returned list to
    `kerakd.Distiller` as teachers.

    Args:
        build: Makes a new network with fresh random weights at each call.
        train: As in `kerakd.train_teacher`.
        validation: As in `kerakd.train_teacher`.
        generations: How many networks are taught, at least 1.
        teacher: A trained network that teaches the first; trained here on labels
            alone, with the same options, if `None`.
        out: As in `kerakd.train_teacher`; checkpoints and histories are named
            `<name>_0`, `<name>_1`, ...
        resume: As in `kerakd.train_teacher`; generations that are done are restored.
        name: Of these trainings in files and messages.
        **options: Those of `kerakd.train_student`: `temperature`,
            `student_loss_weight`, `epochs`, `verbose`, ...

    Returns:
        The networks, from the first teacher to the last student.

    Raises:
        RecipeError: `generations` is less than 1.
        KerakdError: As in `kerakd.train_student`.

    Example:

    ```python
    import kerakd

    models = kerakd.training.train_born_again(
        lambda: kerakd.models.build("mobilenet_v2", 4, (128, 128, 3), alpha=0.35),
        train,
        validation,
        generations=2,
        epochs=20,
    )
    ```
    """
    whole = isinstance(generations, int) and not isinstance(generations, bool)
    if not whole or generations < 1:
        raise RecipeError(
            f"`generations` must be a whole number of at least 1; got {generations!r}."
        )
    shared = {"out": out, "resume": resume}
    models = [teacher]
    if teacher is None:
        alone = {k: v for k, v in options.items() if k not in _OF_DISTILLATION}
        models = [build()]
        train_teacher(models[0], train, validation, name=f"{name}_0", **shared, **alone)
    for number in range(1, generations + 1):
        student = build()
        train_student(
            student,
            train,
            validation,
            teacher=models[-1],
            name=f"{name}_{number}",
            **shared,
            **options,
        )
        models.append(student)
    return models
