"""`train_teacher` and `train_student`."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from kerakd.distillation.distiller import Distiller
from kerakd.distillation.logits import KLDivergence
from kerakd.errors import RecipeError
from kerakd.training import devices
from kerakd.training.options import TrainingOptions
from kerakd.training.session import Session


def train_teacher(
    model: keras.Model,
    train: Any,
    validation: Any = None,
    *,
    options: TrainingOptions | dict | None = None,
    out: str | os.PathLike | None = None,
    resume: bool = False,
    name: str = "teacher",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    class_weight: Mapping | str | None = None,
    loss: Any = None,
    metrics: Sequence | None = None,
    verbose: str | int = "auto",
    **option_overrides: Any,
) -> keras.callbacks.History:
    """Train a network on labels.

    The model is compiled (crossentropy on logits, accuracy) and trained in place. With
    `out`, the history is written to `out/history_<name>.csv` and the full state to
    `out/checkpoints/<name>` after every epoch, each whole or not at all.

    Args:
        model: A `keras.Model` that gives logits, shape `(batch, classes)`.
        train: A `kerakd.data.ImageBatches`; a finite `tf.data.Dataset` of batches
            `(x, y)` or `(x, y, sample_weight)`; or a tuple of such arrays, which are
            shuffled anew for each epoch. `y` holds class indices or one-hot rows.
        validation: The same for validation, or `None`.
        options: A `TrainingOptions`, or a dictionary with fields of it.
        out: Folder for history and checkpoints; `None` writes nothing.
        resume: Whether to go on from the checkpoint in `out`, if there is one. Where
            the run stopped does not show in the weights it ends with, to the bit, on
            one machine, for an `ImageBatches`, for arrays, and for a `tf.data.Dataset`
            that gives the same batches each time. A training that was finished is
            restored and not repeated.
        name: Name of this training in files and messages.
        callbacks: More Keras callbacks. State of theirs that has to survive a resume
            goes through methods `get_state() -> dict` (plain values, and lists of
            arrays) and `set_state(dict)`.
        class_weight: Weights of classes, by name or index, those not named weigh 1;
            or `"balanced"`, which weighs all classes alike.
        loss: Another loss than the crossentropy, as in `keras.Model.compile`.
        metrics: Others than the accuracy, as in `keras.Model.compile`.
        verbose: As in `keras.Model.fit`.
        **option_overrides: Single fields of `TrainingOptions`, such as `epochs=20`.

    Returns:
        The history of all epochs, those before a resume included; `learning_rate` is
        that of each epoch's last step.

    Raises:
        RecipeError: An option is unknown or out of range, or differs from those of the
            checkpoint.
        DataError: The data are empty, or do not fit the model.
        ModelError: The model gives probabilities, or the checkpoint is of another one.
        KerakdError: The loss is no longer a number, the memory or the disk is full.

    Example:

    ```python
    import kerakd

    teacher = kerakd.models.build("resnet50", num_classes=4)
    kerakd.train_teacher(
        teacher, train, validation, epochs=30, optimizer="adamw", schedule="cosine",
        warmup_epochs=2, label_smoothing=0.1, out="runs/mri", resume=True,
    )
    ```
    """
    session = Session(
        network=model,
        train=train,
        validation=validation,
        options=TrainingOptions.from_config(options).replace(**option_overrides),
        route_to="teacher",
        out=out,
        resume=resume,
        name=name,
        callbacks=callbacks,
        class_weight=class_weight,
        loss=loss,
        metrics=metrics,
        verbose=verbose,
    )
    return session.run()


def train_student(
    student: keras.Model,
    train: Any,
    validation: Any = None,
    *,
    teacher: Any = None,
    distillation_losses: Any = None,
    distillation_loss_weights: float | Sequence[float] | None = None,
    temperature: Any = 4.0,
    student_loss_weight: Any = 0.5,
    teacher_weights: Sequence[float] | None = None,
    teacher_preprocessing: Callable | None = None,
    label_layer_name: str | None = None,
    teacher_dtype: str | None = None,
    options: TrainingOptions | dict | None = None,
    out: str | os.PathLike | None = None,
    resume: bool = False,
    name: str = "student",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    class_weight: Mapping | str | None = None,
    loss: Any = None,
    metrics: Sequence | None = None,
    verbose: str | int = "auto",
    **option_overrides: Any,
) -> keras.callbacks.History:
    """Train a student, by distillation where a teacher is given.

    Without a teacher the student learns from labels alone, by plain `fit`: the
    baseline that tells whether distillation helped.

    Args:
        student: A `keras.Model` that gives logits; it is trained in place.
        train: As in `train_teacher`. Images may be a dictionary
            `{"student": x, "teacher": x2}`.
        validation: As in `train_teacher`; the student alone is validated.
        teacher: A `keras.Model` that gives logits, the path of one, a list of these,
            a `kerakd.MeanTeacher`, or `None`. A model is not changed.
        distillation_losses: As in `kerakd.Distiller`. The default is
            `kerakd.losses.KLDivergence(temperature)`.
        distillation_loss_weights: As in `kerakd.Distiller`.
        temperature: Of the default loss; losses that are given have their own.
        student_loss_weight: Weight of the labels, in [0, 1].
        teacher_weights: As in `kerakd.Distiller`.
        teacher_preprocessing: As in `kerakd.Distiller`.
        label_layer_name: As in `kerakd.Distiller`.
        teacher_dtype: As in `kerakd.Distiller`.
        options: As in `train_teacher`.
        out: As in `train_teacher`.
        resume: As in `train_teacher`; the teacher has to be the same, too.
        name: As in `train_teacher`.
        callbacks: As in `train_teacher`.
        class_weight: As in `train_teacher`.
        loss: As in `train_teacher`; the loss on the labels.
        metrics: As in `train_teacher`.
        verbose: As in `train_teacher`.
        **option_overrides: As in `train_teacher`.

    Returns:
        The history of all epochs; its `model` is the Distiller where there is one.

    Raises:
        RecipeError: As in `train_teacher` and `kerakd.Distiller`.
        DataError: As in `train_teacher`.
        ModelError: As in `train_teacher` and `kerakd.Distiller`.
        KerakdError: As in `train_teacher`.

    Example:

    ```python
    import kerakd

    student = kerakd.models.build("mobilenet_v3_small", num_classes=4)
    history = kerakd.train_student(
        student, train, validation, teacher=teacher, temperature=4.0, epochs=30
    )
    ```
    """
    if teacher is None and distillation_losses is not None:
        raise RecipeError(
            "`distillation_losses` are given but no `teacher`; give both, or neither."
        )

    def distiller(network: keras.Model) -> keras.Model:
        losses = distillation_losses
        if losses is None:
            losses = KLDivergence(temperature)
        return Distiller(
            keras.tree.map_structure(devices.placed, teacher),
            network,
            losses,
            distillation_loss_weights,
            student_loss_weight,
            teacher_weights,
            teacher_preprocessing,
            label_layer_name,
            teacher_dtype,
        )

    distils = teacher is not None
    session = Session(
        network=student,
        wrap=distiller if distils else None,
        about={
            "teacher_weights": teacher_weights,
            "teacher_preprocessing": teacher_preprocessing,
            # Left out where they say nothing: a checkpoint may be older than they are.
            **({"label_layer_name": label_layer_name} if label_layer_name else {}),
            **({"teacher_dtype": teacher_dtype} if teacher_dtype else {}),
        },
        train=train,
        validation=validation,
        options=TrainingOptions.from_config(options).replace(**option_overrides),
        # The Distiller hands each network its own images.
        route_to=None if distils else "student",
        out=out,
        resume=resume,
        name=name,
        callbacks=callbacks,
        class_weight=class_weight,
        loss=loss,
        metrics=metrics,
        verbose=verbose,
    )
    return session.run()
