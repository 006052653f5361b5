"""A small plain network that learns from scratch in a minute: for demos and courses."""

from collections.abc import Sequence

import keras

from kerakd.errors import ModelError
from kerakd.models.batch_norm import set_batch_norm_momentum
from kerakd.models.ends import (
    check_count,
    check_factor,
    check_image_shape,
    check_rate,
    classifier,
    pixels,
)


def plain_cnn(
    num_classes: int,
    input_shape: tuple[int, int, int] = (96, 96, 1),
    *,
    filters: Sequence[int] = (16, 32, 64, 96, 128),
    width: float = 1.0,
    dropout: float = 0.3,
    batch_norm_momentum: float | None = 0.9,
) -> keras.Model:
    """Blocks of 3x3 convolution, BatchNorm, ReLU and max pooling; a global maximum.

    The plainest network that still learns from a thousand pictures without pretrained
    weights. The global maximum asks whether something is anywhere in the picture, not
    how much of it: tumours are small.

    Args:
        num_classes: How many classes, at least 2.
        input_shape: Height, width (each at least 2 per block) and channels (any).
        filters: Filters of each block.
        width: Factor on the filters of every block.
        dropout: Share of features dropped before the logits.
        batch_norm_momentum: See `set_batch_norm_momentum`; `None` keeps Keras's 0.99.

    Returns:
        A model with raw pixels in and logits out.

    Raises:
        ModelError: An argument is out of range.
    """
    if not isinstance(filters, Sequence) or not filters:
        raise ModelError(
            f"`filters` must list the filters of each block, got {filters!r}."
        )
    for count in filters:
        check_count("filters", count)
    check_factor("width", width)
    check_rate("dropout", dropout)
    shape = check_image_shape(input_shape, smallest=2 ** len(filters), channels=None)
    image, x = pixels(shape, 1 / 127.5, -1.0, channels=None)
    for number, count in enumerate(filters, start=1):
        x = keras.layers.Conv2D(
            max(1, round(count * width)),
            3,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"conv{number}",
        )(x)
        x = keras.layers.BatchNormalization(name=f"conv{number}_bn")(x)
        x = keras.layers.ReLU(name=f"conv{number}_relu")(x)
        x = keras.layers.MaxPooling2D(name=f"pool{number}")(x)
    x = keras.layers.GlobalMaxPooling2D(name="global_max")(x)
    model = keras.Model(image, classifier(x, num_classes, dropout), name="plain_cnn")
    if batch_norm_momentum is not None:
        set_batch_norm_momentum(model, batch_norm_momentum)
    return model
