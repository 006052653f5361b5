"""Bringing a student's features to the shape of a teacher's."""

from typing import Any

import keras
from keras import ops

from kerakd.errors import ModelError


def to_vectors(features: Any) -> Any:
    """The mean over all axes between the batch and the channels: `(batch, C)`."""
    axes = tuple(range(1, len(features.shape) - 1))
    return ops.mean(features, axis=axes) if axes else features


def comparable_as_maps(teacher_shape: tuple, student_shape: tuple) -> bool:
    """Whether two feature shapes can be compared place by place.

    Maps `(batch, H, W, C)` can (the student's is resized); sequences
    `(batch, N, C)` only at equal length, since tokens cannot be resized. All other
    pairs are compared as vectors.
    """
    if len(teacher_shape) != len(student_shape):
        return False
    if len(teacher_shape) in (2, 4):
        return True
    return tuple(teacher_shape[1:-1]) == tuple(student_shape[1:-1])


@keras.saving.register_keras_serializable("kerakd")
class Projector(keras.Layer):
    """A learned linear map from the student's features to the teacher's shape.

    Maps of other height and width are resized (bilinear) and then mapped channel by
    channel, a 1x1 convolution; features of another rank (a map and a vector, a map
    and tokens) are averaged over space and compared as vectors.

    Args:
        teacher_shape: Shape of the teacher's features, batch first.
        student_shape: Shape of the student's features, batch first.
        **options: As in `keras.Layer`.

    Raises:
        ModelError: A number of channels is unknown.
    """

    def __init__(self, teacher_shape: tuple, student_shape: tuple, **options):
        super().__init__(**options)
        self.teacher_shape = tuple(teacher_shape)
        self.student_shape = tuple(student_shape)
        if self.teacher_shape[-1] is None or self.student_shape[-1] is None:
            raise ModelError(
                "A projector needs the number of channels of both layers; got shapes "
                f"{self.teacher_shape} and {self.student_shape}. Build the models "
                "with a fixed channel axis."
            )
        self.as_maps = comparable_as_maps(self.teacher_shape, self.student_shape)
        self.linear = keras.layers.Dense(
            self.teacher_shape[-1],
            use_bias=False,
            kernel_initializer="glorot_uniform",
            dtype=self.dtype_policy,
            name="linear",
        )

    def build(self, input_shape=None):
        self.linear.build((None, self.student_shape[-1]))
        self.built = True

    def align(self, teacher: Any, student: Any) -> tuple[Any, Any]:
        """The two feature tensors in one shape, the student's projected."""
        if not self.as_maps:
            teacher, student = to_vectors(teacher), to_vectors(student)
        elif len(self.teacher_shape) == 4 and tuple(teacher.shape[1:3]) != tuple(
            student.shape[1:3]
        ):
            # Before the linear map: the two commute, and this order needs less
            # arithmetic when the student's map is the larger one.
            size = ops.shape(teacher)[1:3]
            student = ops.image.resize(student, size, interpolation="bilinear")
        return teacher, self(student)

    def call(self, student):
        return self.linear(student)

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(
            teacher_shape=self.teacher_shape, student_shape=self.student_shape
        )
        return config
