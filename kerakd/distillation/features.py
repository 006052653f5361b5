"""Distillation of features: what layers say before the logits."""

from typing import Any

import keras
from keras import ops

from kerakd.distillation.base import DistillationLoss, flat_mean, float_dtype


def hint_per_sample(teacher_features: Any, student_features: Any) -> Any:
    """`hint` before the mean over samples, shape `(batch,)`."""
    teacher = ops.convert_to_tensor(teacher_features)
    student = ops.convert_to_tensor(student_features)
    dtype = float_dtype(teacher, student)
    teacher, student = ops.cast(teacher, dtype), ops.cast(student, dtype)
    return flat_mean(ops.square(ops.stop_gradient(teacher) - student))


def hint(teacher_features: Any, student_features: Any) -> Any:
    """Mean squared difference of two feature tensors of the same shape.

    "FitNets: Hints for Thin Deep Nets", Romero et al., ICLR 2015 (arXiv:1412.6550).
    The paper takes half the squared norm; the mean over all elements is what
    implementations use, so that the weight does not depend on the layer's size.

    Args:
        teacher_features: Float tensor `(batch, ...)`. No gradient flows back.
        student_features: Float tensor of the same shape, after a projector.

    Returns:
        A scalar of at least 0.
    """
    return ops.mean(hint_per_sample(teacher_features, student_features))


@keras.saving.register_keras_serializable("kerakd")
class Hint(DistillationLoss):
    """A layer of the student learns to say what a layer of the teacher says.

    Where the shapes differ, the Distiller puts a learned
    `kerakd.distillation.Projector` behind the student's layer; it is trained with the
    student and thrown away with the Distiller.

    Args:
        teacher_layer_name: Layer of the teacher, `"outer/inner"` where nested.
        student_layer_name: Layer of the student.
        **options: See `kerakd.losses.DistillationLoss`.

    Example:

    ```python
    import kerakd

    loss = kerakd.losses.Hint("conv4_block6_out", "expanded_conv_6_add")
    ```
    """

    default_name = "hint"
    projects = True

    def __init__(
        self,
        teacher_layer_name: str | None = None,
        student_layer_name: str | None = None,
        **options,
    ):
        super().__init__(teacher_layer_name, student_layer_name, **options)

    def call(self, teacher, student):
        return hint_per_sample(teacher, student)
