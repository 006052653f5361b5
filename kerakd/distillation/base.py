"""What all distillation losses share."""

from typing import Any

import keras


class DistillationLoss(keras.losses.Loss):
    """Base of kerakd's losses: `loss(teacher, student, sample_weight=None)`.

    A subclass implements `call(teacher, student)` and returns one value a sample,
    shape `(batch,)`; casting, sample weights and the reduction are Keras's:
    `sum(weight * value) / batch size`, so a sample of weight 0 is out of the loss.

    To write your own:

    ```python
    import keras
    from kerakd.losses import DistillationLoss

    @keras.saving.register_keras_serializable("my_package")
    class LogitsL2(DistillationLoss):
        def call(self, teacher, student):
            return keras.ops.mean(keras.ops.square(teacher - student), axis=-1)
    ```

    Args:
        teacher_layer_name: The teacher's layer whose output is compared; a layer
            inside a nested model is `"outer/inner"`. `None` compares its outputs.
        student_layer_name: Likewise of the student. Given alone, it names a layer of
            logits that are compared with the teacher's outputs, such as those of a
            distillation token.
        output: For models of several outputs, the key or index of the output to
            compare. `None` compares each pair and adds up.
        teacher_index: Which of several teachers lends its layer.
        name: Name in the progress bar and in `history.csv`.
        reduction: As in `keras.losses.Loss`.
        dtype: As in `keras.losses.Loss`; losses are computed in float32 by default,
            under mixed precision too.

    Raises:
        ValueError: A layer of the teacher is given without one of the student.
    """

    default_name: str | None = None
    # Whether `teacher` in `call` is `{"labels": y, "teacher": logits}`.
    uses_labels: bool = False
    # Whether the student's features are brought to the teacher's shape first.
    projects: bool = False

    def __init__(
        self,
        teacher_layer_name: str | None = None,
        student_layer_name: str | None = None,
        output: str | int | None = None,
        teacher_index: int = 0,
        name: str | None = None,
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ):
        # Keras would count on ("kl_divergence_7"), and a log's name must not depend
        # on what else the process has built.
        name = name or self.default_name or snake_case(type(self).__name__)
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        # Features have to come from both sides; logits may be a layer of the student's.
        alone = student_layer_name if self.projects else None
        if (teacher_layer_name and not student_layer_name) or (
            alone and not teacher_layer_name
        ):
            raise ValueError(
                f"{type(self).__name__} compares a layer of the teacher with one of "
                "the student: give both `teacher_layer_name` and "
                f"`student_layer_name`, or neither; got {teacher_layer_name!r} and "
                f"{student_layer_name!r}."
            )
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name
        self.output = output
        self.teacher_index = teacher_index

    def get_config(self) -> dict:
        """The constructor's arguments, for Keras's serialisation."""
        config = super().get_config()
        config.update(
            teacher_layer_name=self.teacher_layer_name,
            student_layer_name=self.student_layer_name,
            output=self.output,
            teacher_index=self.teacher_index,
        )
        return config


def snake_case(name: str) -> str:
    """`"LogitsDistillation"` as `"logits_distillation"`."""
    parts = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    return parts.strip("_")


def float_dtype(*tensors: Any) -> str:
    """The dtype to compute a loss in: float64 for float64 inputs, else float32.

    float16 overflows at 65,504 and its smallest step near 1 is 0.001: a softmax at
    temperature 4 would lose the very differences that distillation is about.
    """
    names = {keras.backend.standardize_dtype(t.dtype) for t in tensors}
    return "float64" if names == {"float64"} else "float32"


def flat_mean(values: Any) -> Any:
    """The mean of each sample over all axes but the first, shape `(batch,)`."""
    axes = tuple(range(1, len(values.shape)))
    return keras.ops.mean(values, axis=axes) if axes else values
