"""An AlexNet-like network for grey-scale pictures, trained from scratch."""

import keras

from kerakd.models.batch_norm import set_batch_norm_momentum
from kerakd.models.ends import (
    check_count,
    check_factor,
    check_image_shape,
    check_rate,
    classifier,
    pixels,
)

# Filters, kernel, stride, max pooling behind.
_STAGES = (
    (96, 11, 4, True),
    (256, 5, 1, True),
    (384, 3, 1, False),
    (384, 3, 1, False),
    (256, 3, 1, True),
)


def alexnet(
    num_classes: int,
    input_shape: tuple[int, int, int] = (227, 227, 1),
    *,
    width: float = 1.0,
    dense_units: int = 4096,
    dropout: float = 0.5,
    batch_norm: bool = True,
    batch_norm_momentum: float | None = 0.9,
) -> keras.Model:
    """Five convolutions, three of them pooled, two wide dense layers, logits.

    "ImageNet Classification with Deep Convolutional Neural Networks", Krizhevsky et
    al., NeurIPS 2012, in one column. Batch normalisation stands where the paper has
    local response normalisation, which no phone runtime has and without which the
    network does not start to learn at the learning rates in use today.

    Args:
        num_classes: How many classes, at least 2.
        input_shape: Height, width (each at least 67) and channels (any number).
        width: Factor on the filters of every convolution.
        dense_units: Units of the two dense layers.
        dropout: Share of units dropped before each of the two.
        batch_norm: Whether batch normalisation follows each convolution. Without it
            the network has the paper's 62,378,344 parameters at 227x227x3 with 1000
            classes.
        batch_norm_momentum: See `set_batch_norm_momentum`; `None` keeps Keras's 0.99.

    Returns:
        A model with raw pixels in and logits out.

    Raises:
        ModelError: An argument is out of range.
    """
    shape = check_image_shape(input_shape, smallest=67, channels=None)
    check_factor("width", width)
    check_count("dense_units", dense_units)
    check_rate("dropout", dropout)
    image, x = pixels(shape, 1 / 127.5, -1.0, channels=None)
    for number, (filters, kernel, stride, pooled) in enumerate(_STAGES, start=1):
        x = keras.layers.Conv2D(
            max(1, round(filters * width)),
            kernel,
            strides=stride,
            padding="valid" if stride > 1 else "same",
            use_bias=not batch_norm,
            kernel_initializer="he_normal",
            name=f"conv{number}",
        )(x)
        if batch_norm:
            x = keras.layers.BatchNormalization(name=f"conv{number}_bn")(x)
        x = keras.layers.ReLU(name=f"conv{number}_relu")(x)
        if pooled:
            x = keras.layers.MaxPooling2D(3, strides=2, name=f"pool{number}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for number in (6, 7):
        x = keras.layers.Dropout(dropout, name=f"fc{number}_dropout")(x)
        x = keras.layers.Dense(
            dense_units,
            activation="relu",
            kernel_initializer="he_normal",
            name=f"fc{number}",
        )(x)
    logits = classifier(x, num_classes, dropout=0.0)
    model = keras.Model(image, logits, name="alexnet")
    if batch_norm and batch_norm_momentum is not None:
        set_batch_norm_momentum(model, batch_norm_momentum)
    return model
