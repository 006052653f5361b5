"""Distillation by the teacher's decision alone."""

from typing import Any

import keras
from keras import ops

from kerakd.distillation.base import DistillationLoss, flat_mean, float_dtype
from kerakd.distillation.logits import two_classes


def hard_label_per_sample(teacher_logits: Any, student_logits: Any) -> Any:
    """`hard_label` before the mean over samples, shape `logits.shape[:-1]`."""
    teacher = ops.convert_to_tensor(teacher_logits)
    student = ops.convert_to_tensor(student_logits)
    student = two_classes(ops.cast(student, float_dtype(student)))
    decision = ops.argmax(two_classes(ops.stop_gradient(teacher)), axis=-1)
    return keras.losses.sparse_categorical_crossentropy(
        decision, student, from_logits=True
    )


def hard_label(teacher_logits: Any, student_logits: Any) -> Any:
    """Crossentropy of the student with the class that the teacher decides for.

    "Training data-efficient image transformers & distillation through attention",
    Touvron et al., ICML 2021 (arXiv:2012.12877), the hard variant; with a distillation
    token, name its logits as the student's layer.

    Args:
        teacher_logits: Float tensor `(batch, ..., classes)`. No gradient flows back.
        student_logits: Float tensor of the same shape.

    Returns:
        A scalar, the mean over samples.
    """
    return ops.mean(hard_label_per_sample(teacher_logits, student_logits))


@keras.saving.register_keras_serializable("kerakd")
class HardLabel(DistillationLoss):
    """The teacher's decision as the label; see `kerakd.losses.hard_label`.

    Its arguments are those of `kerakd.losses.DistillationLoss`.
    """

    default_name = "hard_label"

    def call(self, teacher, student):
        return flat_mean(hard_label_per_sample(teacher, student))
