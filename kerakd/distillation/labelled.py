"""Distillation of logits that looks at the label's class apart from the others."""

from typing import Any

import keras
from keras import ops

from kerakd.distillation import schedules
from kerakd.distillation.base import DistillationLoss, flat_mean, float_dtype
from kerakd.distillation.divergence import divergence
from kerakd.distillation.logits import two_classes

# Far below any logit, and far from where float32 ends: exp of it is exactly 0.
_NOWHERE = -1e30


def _prepare(labels: Any, teacher_logits: Any, student_logits: Any) -> tuple:
    """Float logits of at least two classes, and the label's class as a mask."""
    teacher = ops.convert_to_tensor(teacher_logits)
    student = ops.convert_to_tensor(student_logits)
    dtype = float_dtype(teacher, student)
    teacher = two_classes(ops.stop_gradient(ops.cast(teacher, dtype)))
    student = two_classes(ops.cast(student, dtype))
    labels = ops.convert_to_tensor(labels)
    classes = student.shape[-1]
    if len(labels.shape) == len(student.shape) and labels.shape[-1] == classes:
        labels = ops.argmax(labels, axis=-1)
    elif len(labels.shape) == len(student.shape):
        labels = ops.squeeze(labels, axis=-1)
    target = ops.one_hot(ops.cast(labels, "int32"), classes, dtype="bool")
    return teacher, student, target


def _log_others(logits: Any, target: Any) -> tuple[Any, Any]:
    """Log-softmax among the classes that are not the label's, and its normaliser.

    The label's own place holds 0, so that it adds nothing to a sum of products.
    """
    masked = ops.where(target, _NOWHERE, logits)
    normaliser = ops.logsumexp(masked, axis=-1, keepdims=True)
    return ops.where(target, 0.0, logits - normaliser), normaliser


def _of_target(values: Any, target: Any) -> Any:
    return ops.sum(ops.where(target, values, 0.0), axis=-1)


def dkd_parts(
    labels: Any, teacher_logits: Any, student_logits: Any, temperature: float = 4.0
) -> tuple[Any, Any]:
    """The two parts of `dkd`, each times T^2, shape `(batch,)`: target, non-target."""
    teacher, student, target = _prepare(labels, teacher_logits, student_logits)
    first = divergence(
        _label_or_not(teacher, target, temperature),
        _label_or_not(student, target, temperature),
        1.0,
    )
    second = divergence(teacher, student, temperature, left_out=target)
    return first * temperature**2, second * temperature**2


def _label_or_not(logits: Any, target: Any, temperature: Any) -> Any:
    """Two logits: of the label's class, and of all the others together."""
    scaled = logits / temperature
    others = ops.logsumexp(ops.where(target, _NOWHERE, scaled), axis=-1)
    return ops.stack([_of_target(scaled, target), others], axis=-1)


def dkd(
    labels: Any,
    teacher_logits: Any,
    student_logits: Any,
    alpha: float = 1.0,
    beta: float = 8.0,
    temperature: float = 4.0,
) -> Any:
    """Decoupled knowledge distillation: KL in two parts with weights of their own.

    `alpha * T^2 * KL(label or not) + beta * T^2 * KL(among the other classes)`.
    "Decoupled Knowledge Distillation", Zhao et al., CVPR 2022 (arXiv:2203.08679). The
    reference masks by adding -1000, which gives infinity at logits of 200; here the
    label's class is left out of the sums. With two classes the second part is 0.

    Args:
        labels: Integer classes `(batch,)`, or one-hot `(batch, classes)`.
        teacher_logits: Float tensor `(batch, classes)`. No gradient flows back.
        student_logits: Float tensor `(batch, classes)`.
        alpha: Weight of the part on the label's class.
        beta: Weight of the part among the other classes.
        temperature: Greater than 0.

    Returns:
        A scalar, the mean over samples.
    """
    first, second = dkd_parts(labels, teacher_logits, student_logits, temperature)
    return ops.mean(alpha * first + beta * second)


def nkd_per_sample(
    labels: Any,
    teacher_logits: Any,
    student_logits: Any,
    gamma: float = 1.5,
    temperature: float = 1.0,
) -> Any:
    """`nkd` before the mean over samples, shape `(batch,)`."""
    teacher, student, target = _prepare(labels, teacher_logits, student_logits)
    teacher_target = _of_target(ops.softmax(teacher, axis=-1), target)
    student_target = _of_target(ops.log_softmax(student, axis=-1), target)
    log_teacher, _ = _log_others(teacher / temperature, target)
    log_student, _ = _log_others(student / temperature, target)
    share = ops.where(target, 0.0, ops.exp(log_teacher))
    others = ops.sum(share * log_student, axis=-1)
    return -teacher_target * student_target - gamma * temperature**2 * others


def nkd(
    labels: Any,
    teacher_logits: Any,
    student_logits: Any,
    gamma: float = 1.5,
    temperature: float = 1.0,
) -> Any:
    """Normalised knowledge distillation, which is a crossentropy and so has no zero.

    The label's class: crossentropy weighted by the teacher's confidence. The others:
    `gamma * T^2` times the crossentropy among them. "From Knowledge Distillation to
    Self-Knowledge Distillation", Yang et al., ICCV 2023 (arXiv:2303.13005).

    Args:
        labels: Integer classes `(batch,)`, or one-hot `(batch, classes)`.
        teacher_logits: Float tensor `(batch, classes)`. No gradient flows back.
        student_logits: Float tensor `(batch, classes)`.
        gamma: Weight of the other classes.
        temperature: Of the other classes; greater than 0.

    Returns:
        A scalar, the mean over samples.
    """
    return ops.mean(
        nkd_per_sample(labels, teacher_logits, student_logits, gamma, temperature)
    )


def ofa_per_sample(
    labels: Any,
    teacher_logits: Any,
    student_logits: Any,
    eps: float = 1.5,
    temperature: float = 1.0,
) -> Any:
    """`ofa` before the mean over samples, shape `(batch,)`."""
    teacher, student, target = _prepare(labels, teacher_logits, student_logits)
    share = ops.softmax(teacher / temperature, axis=-1)
    # `(1 + p)^eps - 1` of the label's class, with its digits where p is small.
    weight = ops.where(target, ops.expm1(eps * ops.log1p(share)), ops.power(share, eps))
    log_student = ops.log_softmax(student / temperature, axis=-1)
    return -ops.sum(weight * log_student, axis=-1)


def ofa(
    labels: Any,
    teacher_logits: Any,
    student_logits: Any,
    eps: float = 1.5,
    temperature: float = 1.0,
) -> Any:
    """One-for-all distillation, made for teachers of another architecture.

    Crossentropy with the teacher's probabilities, in which the label's class counts
    `(1 + p)^eps - 1`. "One-for-All: Bridge the Gap Between Heterogeneous
    Architectures in Knowledge Distillation", Hao et al., NeurIPS 2023
    (arXiv:2310.19444).

    Args:
        labels: Integer classes `(batch,)`, or one-hot `(batch, classes)`.
        teacher_logits: Float tensor `(batch, classes)`. No gradient flows back.
        student_logits: Float tensor `(batch, classes)`.
        eps: At least 1; higher trusts the label's class more.
        temperature: Greater than 0.

    Returns:
        A scalar, the mean over samples.
    """
    return ops.mean(
        ofa_per_sample(labels, teacher_logits, student_logits, eps, temperature)
    )


class _Labelled(DistillationLoss):
    """A loss whose first argument is `{"labels": y, "teacher": logits}`."""

    uses_labels = True

    def __init__(self, temperature, **options):
        super().__init__(**options)
        self.temperature = schedules.temperature(temperature)

    def get_config(self) -> dict:
        config = super().get_config()
        config["temperature"] = schedules.serialize(self.temperature)
        return config


@keras.saving.register_keras_serializable("kerakd")
class DKD(_Labelled):
    """Decoupled knowledge distillation; see `kerakd.losses.dkd`.

    Args:
        alpha: Weight of the part on the label's class.
        beta: Weight of the part among the other classes.
        temperature: Greater than 0, or a `keras.optimizers.schedules` object.
        **options: See `kerakd.losses.DistillationLoss`.
    """

    default_name = "dkd"

    def __init__(self, alpha=1.0, beta=8.0, temperature=4.0, **options):
        super().__init__(temperature, **options)
        self.alpha = schedules.check(alpha, "alpha", 0.0, float("inf"))
        self.beta = schedules.check(beta, "beta", 0.0, float("inf"))

    def call(self, teacher, student):
        first, second = dkd_parts(
            teacher["labels"],
            teacher["teacher"],
            student,
            schedules.current(self.temperature),
        )
        return flat_mean(self.alpha * first + self.beta * second)

    def get_config(self) -> dict:
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta}


@keras.saving.register_keras_serializable("kerakd")
class NKD(_Labelled):
    """Normalised knowledge distillation; see `kerakd.losses.nkd`.

    Args:
        gamma: Weight of the other classes.
        temperature: Greater than 0, or a `keras.optimizers.schedules` object.
        **options: See `kerakd.losses.DistillationLoss`.
    """

    default_name = "nkd"

    def __init__(self, gamma=1.5, temperature=1.0, **options):
        super().__init__(temperature, **options)
        self.gamma = schedules.check(gamma, "gamma", 0.0, float("inf"))

    def call(self, teacher, student):
        temperature = schedules.current(self.temperature)
        labels, logits = teacher["labels"], teacher["teacher"]
        return flat_mean(
            nkd_per_sample(labels, logits, student, self.gamma, temperature)
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable("kerakd")
class OFA(_Labelled):
    """One-for-all distillation; see `kerakd.losses.ofa`.

    Args:
        eps: At least 1.
        temperature: Greater than 0, or a `keras.optimizers.schedules` object.
        **options: See `kerakd.losses.DistillationLoss`.
    """

    default_name = "ofa"

    def __init__(self, eps=1.5, temperature=1.0, **options):
        super().__init__(temperature, **options)
        self.eps = schedules.check(eps, "eps", 1.0, float("inf"))

    def call(self, teacher, student):
        temperature = schedules.current(self.temperature)
        labels, logits = teacher["labels"], teacher["teacher"]
        return flat_mean(ofa_per_sample(labels, logits, student, self.eps, temperature))

    def get_config(self) -> dict:
        return {**super().get_config(), "eps": self.eps}
