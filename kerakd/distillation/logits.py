"""Distillation of logits by Kullback-Leibler divergence."""

from typing import Any

import keras
from keras import ops

from kerakd.distillation import schedules
from kerakd.distillation.base import DistillationLoss, flat_mean, float_dtype
from kerakd.distillation.divergence import divergence
from kerakd.errors import ModelError


def _as_floats(teacher_logits: Any, student_logits: Any) -> tuple[Any, Any]:
    teacher = ops.convert_to_tensor(teacher_logits)
    student = ops.convert_to_tensor(student_logits)
    dtype = float_dtype(teacher, student)
    return ops.cast(teacher, dtype), ops.cast(student, dtype)


def two_classes(logits: Any) -> Any:
    """Logits of one sigmoid unit as those of two classes; others unchanged.

    A softmax over one value is 1 whatever the value: the divergence would be 0 and
    nothing would be learnt.
    """
    if logits.shape[-1] != 1:
        return logits
    return ops.concatenate([ops.zeros_like(logits), logits], axis=-1)


def standardize_logits(logits: Any) -> Any:
    """Logits minus their mean, over their standard deviation, for each sample.

    "Logit Standardization in Knowledge Distillation", Sun et al., CVPR 2024
    (arXiv:2403.01427); the standard deviation is that of a sample (C - 1).
    """
    classes = logits.shape[-1]
    centred = logits - ops.mean(logits, axis=-1, keepdims=True)
    variance = ops.sum(ops.square(centred), axis=-1, keepdims=True) / (classes - 1)
    # Equal logits have no scale to be freed of, and the root's gradient would be
    # infinite there: they stay as they are, at 0.
    spread = variance > 1e-8
    deviation = ops.sqrt(ops.where(spread, variance, 1.0))
    return ops.where(spread, centred / (deviation + 1e-7), 0.0)


def kl_divergence_per_sample(
    teacher_logits: Any,
    student_logits: Any,
    temperature: float = 4.0,
    standardize: bool = False,
) -> Any:
    """`kl_divergence` before the mean over samples, shape `logits.shape[:-1]`."""
    teacher, student = _as_floats(teacher_logits, student_logits)
    teacher, student = two_classes(ops.stop_gradient(teacher)), two_classes(student)
    if standardize:
        teacher, student = standardize_logits(teacher), standardize_logits(student)
    return divergence(teacher, student, temperature) * temperature**2


def kl_divergence(
    teacher_logits: Any,
    student_logits: Any,
    temperature: float = 4.0,
    standardize: bool = False,
) -> Any:
    """`T^2 * KL(softmax(teacher / T) || softmax(student / T))`, mean over samples.

    The factor T^2 keeps the gradient's size when the temperature changes. Source:
    "Distilling the Knowledge in a Neural Network", Hinton et al., 2015
    (arXiv:1503.02531). A single logit is read as that of a sigmoid.

    Args:
        teacher_logits: Float tensor `(batch, ..., classes)`. No gradient flows back.
        student_logits: Float tensor of the same shape.
        temperature: Greater than 0; higher is softer.
        standardize: Whether each sample's logits are first brought to mean 0 and
            standard deviation 1 (Sun et al., 2024), which frees the student from
            matching the teacher's scale.

    Returns:
        A scalar of at least 0, float32 (float64 for float64 logits).

    Example:

    ```python
    import kerakd

    kerakd.losses.kl_divergence([[4.0, 1.0]], [[2.0, 2.0]], temperature=2.0)
    ```
    """
    return ops.mean(
        kl_divergence_per_sample(
            teacher_logits, student_logits, temperature, standardize
        )
    )


def kd_loss(
    y_true: Any,
    teacher_logits: Any,
    student_logits: Any,
    temperature: float = 4.0,
    alpha: float = 0.5,
) -> Any:
    """`alpha * cross-entropy + (1 - alpha) * T^2 * KL(teacher || student)`.

    For a training loop of your own; with `model.fit` use `kerakd.Distiller`.

    Args:
        y_true: Integer labels `(batch,)`, or probabilities `(batch, classes)`.
        teacher_logits: Float tensor `(batch, classes)`. No gradient flows back.
        student_logits: Float tensor `(batch, classes)`.
        temperature: Greater than 0.
        alpha: Weight of the labels, in [0, 1].

    Returns:
        A scalar, the mean over samples.

    Raises:
        RecipeError: `temperature` or `alpha` is out of range.
        ModelError: The two have different numbers of classes.
    """
    schedules.temperature(temperature)
    schedules.check(alpha, "alpha", 0.0, 1.0)
    teacher, student = _as_floats(teacher_logits, student_logits)
    if teacher.shape[-1] != student.shape[-1]:
        raise ModelError(
            f"The teacher has {teacher.shape[-1]} classes and the student "
            f"{student.shape[-1]}; build both with the same `num_classes`."
        )
    labels = ops.convert_to_tensor(y_true)
    if len(labels.shape) == len(student.shape) and labels.shape == student.shape:
        hard = keras.losses.categorical_crossentropy(labels, student, from_logits=True)
    else:
        hard = keras.losses.sparse_categorical_crossentropy(
            labels, student, from_logits=True
        )
    soft = kl_divergence(teacher, student, temperature)
    return alpha * ops.mean(hard) + (1 - alpha) * soft


@keras.saving.register_keras_serializable("kerakd")
class KLDivergence(DistillationLoss):
    """Logits matched by Kullback-Leibler divergence at a temperature.

    See `kerakd.losses.kl_divergence` for the formula and the paper.

    Args:
        temperature: Greater than 0, or a `keras.optimizers.schedules` object.
        standardize: See `kerakd.losses.kl_divergence`.
        **options: See `kerakd.losses.DistillationLoss`.

    Example:

    ```python
    import keras
    import kerakd

    cooling = keras.optimizers.schedules.PolynomialDecay(8.0, 1000, 2.0)
    loss = kerakd.losses.KLDivergence(temperature=cooling)
    ```
    """

    default_name = "kl_divergence"

    def __init__(self, temperature=4.0, standardize: bool = False, **options):
        super().__init__(**options)
        self.temperature = schedules.temperature(temperature)
        self.standardize = standardize

    def call(self, teacher, student):
        temperature = schedules.current(self.temperature)
        return flat_mean(
            kl_divergence_per_sample(teacher, student, temperature, self.standardize)
        )

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(
            temperature=schedules.serialize(self.temperature),
            standardize=self.standardize,
        )
        return config
