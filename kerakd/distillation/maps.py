"""Distillation of dense predictions and of feature maps, place by place."""

from typing import Any

import keras
from keras import ops

from kerakd.distillation import schedules
from kerakd.distillation.base import DistillationLoss, flat_mean, float_dtype
from kerakd.distillation.divergence import divergence
from kerakd.distillation.logits import KLDivergence, kl_divergence_per_sample


def _as_maps(teacher_map: Any, student_map: Any) -> tuple[Any, Any]:
    teacher = ops.convert_to_tensor(teacher_map)
    student = ops.convert_to_tensor(student_map)
    dtype = float_dtype(teacher, student)
    return ops.stop_gradient(ops.cast(teacher, dtype)), ops.cast(student, dtype)


def _places_last(maps: Any) -> Any:
    """`(batch, ..., channels)` as `(batch, channels, places)`."""
    shape = ops.shape(maps)
    flat = ops.reshape(maps, (shape[0], -1, shape[-1]))
    return ops.transpose(flat, (0, 2, 1))


def pixelwise_kl(teacher_map: Any, student_map: Any, temperature: float = 1.0) -> Any:
    """`T^2 * KL` between the class distributions of each pixel, mean over pixels.

    "Structured Knowledge Distillation for Semantic Segmentation", Liu et al., CVPR
    2019 (arXiv:1903.04197), the pixel-wise part.

    Args:
        teacher_map: Logits `(batch, height, width, classes)`. No gradient flows back.
        student_map: Logits of the same shape.
        temperature: Greater than 0.

    Returns:
        A scalar, the mean over pixels and samples.
    """
    return ops.mean(kl_divergence_per_sample(teacher_map, student_map, temperature))


def channelwise_kl_per_sample(
    teacher_map: Any, student_map: Any, temperature: float = 4.0
) -> Any:
    """`channelwise_kl` before the mean over samples, shape `(batch,)`."""
    teacher, student = _as_maps(teacher_map, student_map)
    each = divergence(_places_last(teacher), _places_last(student), temperature)
    return ops.mean(each, axis=-1) * temperature**2


def channelwise_kl(teacher_map: Any, student_map: Any, temperature: float = 4.0) -> Any:
    """`T^2 * KL` between where each channel looks, mean over channels.

    A softmax over places, not over classes: the student learns which places matter to
    a class. "Channel-wise Knowledge Distillation for Dense Prediction", Shu et al.,
    ICCV 2021 (arXiv:2011.13256), known as CWD.

    Args:
        teacher_map: Logits or features `(batch, height, width, channels)`. No gradient
            flows back.
        student_map: A tensor of the same shape.
        temperature: Greater than 0.

    Returns:
        A scalar, the mean over channels and samples.
    """
    return ops.mean(channelwise_kl_per_sample(teacher_map, student_map, temperature))


def attention_transfer_per_sample(
    teacher_map: Any, student_map: Any, p: float = 2
) -> Any:
    """`attention_transfer` before the mean over samples, shape `(batch,)`."""
    teacher, student = _as_maps(teacher_map, student_map)
    difference = _attention(teacher, p) - _attention(student, p)
    return ops.mean(ops.square(difference), axis=-1)


def _attention(maps: Any, p: float) -> Any:
    """Where a map is strong: mean of `|x|^p` over channels, scaled to length 1."""
    shape = ops.shape(maps)
    strength = ops.mean(ops.power(ops.abs(maps), p), axis=-1)
    flat = ops.reshape(strength, (shape[0], -1))
    # The scale is taken out first: squares of squares overflow beyond 1e9.
    largest = ops.max(flat, axis=-1, keepdims=True)
    flat = flat / ops.maximum(ops.stop_gradient(largest), 1e-30)
    length = ops.sqrt(ops.maximum(ops.sum(flat**2, axis=-1, keepdims=True), 1e-24))
    return flat / length


def attention_transfer(teacher_map: Any, student_map: Any, p: float = 2) -> Any:
    """Mean squared difference of two normalised attention maps.

    "Paying More Attention to Attention", Zagoruyko and Komodakis, ICLR 2017
    (arXiv:1612.03928). The number of channels may differ; the paper weighs the sum
    with beta = 1000, here the mean over places leaves the weight to you.

    Args:
        teacher_map: Features `(batch, height, width, channels)`. No gradient flows
            back.
        student_map: Features of the same height and width.
        p: The power of the absolute activation; at least 1.

    Returns:
        A scalar, the mean over places and samples.
    """
    return ops.mean(attention_transfer_per_sample(teacher_map, student_map, p))


@keras.saving.register_keras_serializable("kerakd")
class PixelwiseKL(KLDivergence):
    """Per-pixel KL for segmentation; see `kerakd.losses.pixelwise_kl`.

    Args:
        temperature: Greater than 0, or a `keras.optimizers.schedules` object.
        **options: See `kerakd.losses.DistillationLoss`.
    """

    default_name = "pixelwise_kl"

    def __init__(self, temperature=1.0, **options):
        super().__init__(temperature, **options)


@keras.saving.register_keras_serializable("kerakd")
class ChannelwiseKL(DistillationLoss):
    """Channel-wise distillation (CWD); see `kerakd.losses.channelwise_kl`.

    Args:
        temperature: Greater than 0, or a `keras.optimizers.schedules` object.
        **options: See `kerakd.losses.DistillationLoss`.
    """

    default_name = "channelwise_kl"
    projects = True

    def __init__(self, temperature=4.0, **options):
        super().__init__(**options)
        self.temperature = schedules.temperature(temperature)

    def call(self, teacher, student):
        temperature = schedules.current(self.temperature)
        return channelwise_kl_per_sample(teacher, student, temperature)

    def get_config(self) -> dict:
        config = super().get_config()
        config["temperature"] = schedules.serialize(self.temperature)
        return config


@keras.saving.register_keras_serializable("kerakd")
class AttentionTransfer(DistillationLoss):
    """Attention transfer; see `kerakd.losses.attention_transfer`.

    Maps of another height and width are resized to the teacher's.

    Args:
        teacher_layer_name: Layer of the teacher with an output of rank 4.
        student_layer_name: Layer of the student with an output of rank 4.
        p: Power of the absolute activation, at least 1.
        **options: See `kerakd.losses.DistillationLoss`.
    """

    default_name = "attention_transfer"

    def __init__(
        self, teacher_layer_name=None, student_layer_name=None, p=2, **options
    ):
        super().__init__(teacher_layer_name, student_layer_name, **options)
        self.p = schedules.check(p, "p", 1.0, float("inf"))

    def call(self, teacher, student):
        if tuple(teacher.shape[1:3]) != tuple(student.shape[1:3]):
            student = ops.image.resize(
                student, ops.shape(teacher)[1:3], interpolation="bilinear"
            )
        return flat_mean(attention_transfer_per_sample(teacher, student, self.p))

    def get_config(self) -> dict:
        return {**super().get_config(), "p": self.p}
