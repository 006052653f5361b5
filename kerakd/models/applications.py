"""Backbones of `keras.applications`, each one flat graph from pixels to logits.

Every builder lays its own normalisation before the backbone, a head behind it, and
names all layers the same in every process.
"""

import re
from collections.abc import Callable
from typing import Any

import keras

from kerakd.models.batch_norm import set_batch_norm_momentum
from kerakd.models.ends import (
    IMAGENET_OFFSET,
    IMAGENET_SCALE,
    check_factor,
    check_image_shape,
    classifier,
    pixels,
)
from kerakd.models.graph import calls

_SMALLEST = 32
# "caffe" preprocessing: less the mean of ImageNet's pixels, here in RGB order.
_CAFFE_OFFSET = (-123.68, -116.779, -103.939)


def _classifier_on(
    name: str,
    backbone: Callable[..., keras.Model],
    num_classes: int,
    input_shape: tuple[int, int, int],
    scale: Any,
    offset: Any,
    dropout: float,
    head_units: int | None,
    batch_norm_momentum: float | None,
    **arguments: Any,
) -> keras.Model:
    shape = check_image_shape(input_shape, _SMALLEST)
    image, x = pixels(shape, scale, offset)
    features = backbone(
        input_tensor=x,
        input_shape=(*shape[:2], 3),
        include_top=False,
        weights=None,
        **arguments,
    )
    _name_as_in_a_fresh_process(features)
    x = keras.layers.GlobalAveragePooling2D(name="features")(features.outputs[0])
    logits = classifier(x, num_classes, dropout, head_units)
    model = keras.Model(image, logits, name=name)
    if batch_norm_momentum is not None:
        set_batch_norm_momentum(model, batch_norm_momentum)
    return model


def _name_as_in_a_fresh_process(model: keras.Model) -> None:
    """Count Keras's automatic names ("add_37") from the model's input on.

    They count all layers that the process has made so far, so that a name in a recipe
    would mean another layer, or none, after another model was built.
    """
    count: dict[str, int] = {}
    for call in calls(model):
        operation = call.operation
        base = re.sub(r"_\d+$", "", operation.name)
        if base.replace("_", "") != type(operation).__name__.lower():
            continue
        number = count.get(base, 0)
        count[base] = number + 1
        operation.name = f"{base}_{number}" if number else base


def resnet50(
    num_classes: int,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    *,
    dropout: float = 0.2,
    head_units: int | None = None,
    batch_norm_momentum: float | None = 0.9,
) -> keras.Model:
    """ResNet-50, "Deep Residual Learning", He et al., CVPR 2016 (arXiv:1512.03385).

    Args:
        num_classes: How many classes, at least 2.
        input_shape: Height, width (each at least 32) and 1 or 3 channels.
        dropout: Share of features dropped before the head.
        head_units: Units of a hidden ReLU layer in the head; none if `None`.
        batch_norm_momentum: See `kerakd.models.set_batch_norm_momentum`; `None` keeps
            Keras's 0.99.

    Returns:
        A model with raw pixels (RGB or grey, 0..255) in and logits out.
    """
    return _classifier_on(
        "resnet50",
        keras.applications.ResNet50,
        num_classes,
        input_shape,
        1.0,
        _CAFFE_OFFSET,
        dropout,
        head_units,
        batch_norm_momentum,
    )


def resnet101(
    num_classes: int,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    *,
    dropout: float = 0.2,
    head_units: int | None = None,
    batch_norm_momentum: float | None = 0.9,
) -> keras.Model:
    """ResNet-101; arguments as in `resnet50`."""
    return _classifier_on(
        "resnet101",
        keras.applications.ResNet101,
        num_classes,
        input_shape,
        1.0,
        _CAFFE_OFFSET,
        dropout,
        head_units,
        batch_norm_momentum,
    )


def mobilenet_v2(
    num_classes: int,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    *,
    alpha: float = 1.0,
    dropout: float = 0.2,
    head_units: int | None = None,
    batch_norm_momentum: float | None = 0.9,
) -> keras.Model:
    """MobileNetV2, Sandler et al., CVPR 2018 (arXiv:1801.04381).

    Args:
        num_classes: How many classes, at least 2.
        input_shape: Height, width (each at least 32) and 1 or 3 channels.
        alpha: Factor on the width of every layer, any value above 0; ImageNet weights
            exist for 0.35, 0.5, 0.75, 1.0, 1.3 and 1.4.
        dropout: Share of features dropped before the head.
        head_units: Units of a hidden ReLU layer in the head; none if `None`.
        batch_norm_momentum: See `kerakd.models.set_batch_norm_momentum`; `None` keeps
            Keras's 0.999.

    Returns:
        A model with raw pixels (RGB or grey, 0..255) in and logits out.
    """
    check_factor("alpha", alpha)
    return _classifier_on(
        "mobilenet_v2",
        keras.applications.MobileNetV2,
        num_classes,
        input_shape,
        1 / 127.5,
        -1.0,
        dropout,
        head_units,
        batch_norm_momentum,
        alpha=alpha,
    )


def mobilenet_v3_small(
    num_classes: int,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    *,
    alpha: float = 1.0,
    minimalistic: bool = False,
    dropout: float = 0.2,
    head_units: int | None = None,
    batch_norm_momentum: float | None = 0.9,
) -> keras.Model:
    """MobileNetV3-Small, Howard et al., ICCV 2019 (arXiv:1905.02244).

    Args:
        num_classes: How many classes, at least 2.
        input_shape: Height, width (each at least 32) and 1 or 3 channels.
        alpha: Factor on the width of every layer; ImageNet weights exist for 0.75 and
            1.0.
        minimalistic: Leave out squeeze-and-excitation, hard-swish and 5x5 kernels.
            Runs about four times faster in int8 on CPUs. ImageNet weights exist for
            `alpha=1.0`.
        dropout: Share of features dropped before the head.
        head_units: Units of a hidden ReLU layer in the head; none if `None`. The paper
            has 1024 with hard-swish.
        batch_norm_momentum: See `kerakd.models.set_batch_norm_momentum`; `None` keeps
            Keras's 0.999.

    Returns:
        A model with raw pixels (RGB or grey, 0..255) in and logits out.
    """
    check_factor("alpha", alpha)
    return _classifier_on(
        "mobilenet_v3_small",
        keras.applications.MobileNetV3Small,
        num_classes,
        input_shape,
        1 / 127.5,
        -1.0,
        dropout,
        head_units,
        batch_norm_momentum,
        alpha=alpha,
        minimalistic=bool(minimalistic),
        include_preprocessing=False,
    )


def efficientnet_v2_b0(
    num_classes: int,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    *,
    dropout: float = 0.2,
    head_units: int | None = None,
    batch_norm_momentum: float | None = 0.9,
) -> keras.Model:
    """EfficientNetV2-B0, Tan and Le, ICML 2021 (arXiv:2104.00298).

    Args:
        num_classes: How many classes, at least 2.
        input_shape: Height, width (each at least 32) and 1 or 3 channels.
        dropout: Share of features dropped before the head.
        head_units: Units of a hidden ReLU layer in the head; none if `None`.
        batch_norm_momentum: See `kerakd.models.set_batch_norm_momentum`; `None` keeps
            Keras's, which is 0.9 here too.

    Returns:
        A model with raw pixels (RGB or grey, 0..255) in and logits out.
    """
    return _classifier_on(
        "efficientnet_v2_b0",
        keras.applications.EfficientNetV2B0,
        num_classes,
        input_shape,
        IMAGENET_SCALE,
        IMAGENET_OFFSET,
        dropout,
        head_units,
        batch_norm_momentum,
        include_preprocessing=False,
    )
