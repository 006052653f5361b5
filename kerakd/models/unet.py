"""U-Nets for segmentation: a wide teacher, a separable student."""

from collections.abc import Sequence

import keras

from kerakd.errors import ModelError
from kerakd.models.batch_norm import set_batch_norm_momentum
from kerakd.models.ends import (
    check_classes,
    check_count,
    check_image_shape,
    check_rate,
)


def unet_student(
    num_classes: int = 2,
    input_shape: tuple[int, int, int] = (128, 128, 3),
    *,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    separable: bool = True,
    batch_norm: bool = True,
    dropout: float | Sequence[float] = 0.3,
    refine: bool = False,
    negative_slope: float = 0.01,
    batch_norm_momentum: float | None = 0.9,
) -> keras.Model:
    """The U-Net for a phone: 608,589 parameters at 128x128x3 with two classes.

    Two separable 3x3 convolutions a level, each with batch normalisation and a leaky
    ReLU; see `unet_teacher` for the arguments and what both share.
    """
    return _unet(
        "unet_student",
        num_classes,
        input_shape,
        filters,
        separable,
        batch_norm,
        dropout,
        refine,
        negative_slope,
        batch_norm_momentum,
    )


def unet_teacher(
    num_classes: int = 2,
    input_shape: tuple[int, int, int] = (128, 128, 3),
    *,
    filters: Sequence[int] = (32, 64, 128, 256, 512),
    separable: bool = False,
    batch_norm: bool = False,
    dropout: float | Sequence[float] = 0.5,
    refine: bool = True,
    negative_slope: float = 0.01,
    batch_norm_momentum: float | None = 0.9,
) -> keras.Model:
    """The U-Net that teaches: 8,639,778 parameters at 128x128x3 with two classes.

    "U-Net: Convolutional Networks for Biomedical Image Segmentation", Ronneberger et
    al., MICCAI 2015 (arXiv:1505.04597), with padded convolutions, leaky ReLUs and
    transposed 3x3 convolutions of stride 2. The input is not normalised inside: slices
    come z-scored by case and modality.

    The last activation of every level has a name that feature losses and heat maps can
    ask for: `"encoder_1"` (full size) to `"encoder_4"`, `"bottleneck"`, `"decoder_4"`
    to `"decoder_1"` (full size), for five levels.

    Args:
        num_classes: Logits a pixel, at least 2; 2 for tumour and the rest.
        input_shape: Height and width, multiples of 16 (of `2 ** (levels - 1)`), and any
            number of channels.
        filters: Filters of each level from full size down, at least two levels.
        separable: Whether the 3x3 convolutions are depthwise separable.
        batch_norm: Whether each of them is batch-normalised.
        dropout: Share of units dropped in training, in [0, 1): one number for the
            bottleneck alone, or one for each level of the way down.
        refine: Whether one more plain 3x3 convolution of the first level's width stands
            before the logits.
        negative_slope: Of the leaky ReLUs, in [0, 1).
        batch_norm_momentum: See `set_batch_norm_momentum`; `None` keeps Keras's 0.99.

    Returns:
        A flat functional model; the last layer, `"logits"`, gives
        `(batch, height, width, num_classes)` in float32.

    Raises:
        ModelError: An argument is out of range.

    Example:

    ```python
    import kerakd

    teacher = kerakd.models.build("unet_teacher", 2)
    separable = kerakd.models.build(
        "unet_teacher", 4, (160, 160, 4), separable=True, batch_norm=True
    )
    ```
    """
    return _unet(
        "unet_teacher",
        num_classes,
        input_shape,
        filters,
        separable,
        batch_norm,
        dropout,
        refine,
        negative_slope,
        batch_norm_momentum,
    )


def _unet(
    name: str,
    num_classes: int,
    input_shape: tuple[int, int, int],
    filters: Sequence[int],
    separable: bool,
    batch_norm: bool,
    dropout: float | Sequence[float],
    refine: bool,
    negative_slope: float,
    batch_norm_momentum: float | None,
) -> keras.Model:
    check_classes(num_classes)
    filters = _checked_filters(filters)
    shape = _checked_shape(input_shape, len(filters))
    rates = _checked_dropout(dropout, len(filters))
    check_rate("negative_slope", negative_slope)

    def convolve(x, width, name, plain=False):
        kind = keras.layers.Conv2D if plain else _convolution(separable)
        x = kind(width, 3, padding="same", name=f"{name}_conv")(x)
        if batch_norm and not plain:
            x = keras.layers.BatchNormalization(name=f"{name}_bn")(x)
        return x

    def activate(x, name):
        return keras.layers.LeakyReLU(negative_slope, name=name)(x)

    def level(x, width, name):
        x = activate(convolve(x, width, f"{name}_a"), f"{name}_a_act")
        return activate(convolve(x, width, f"{name}_b"), name)

    image = keras.Input(shape=shape, name="image")
    x, skips = image, []
    names = [f"encoder_{i}" for i in range(1, len(filters))] + ["bottleneck"]
    for depth, (width, rate, title) in enumerate(
        zip(filters, rates, names, strict=True)
    ):
        if depth:
            x = keras.layers.MaxPooling2D(2, name=f"pool_{depth}")(x)
        x = level(x, width, title)
        if rate:
            x = keras.layers.Dropout(rate, name=f"{title}_dropout")(x)
        skips.append(x)
    for depth in reversed(range(len(filters) - 1)):
        title = f"decoder_{depth + 1}"
        x = keras.layers.Conv2DTranspose(
            filters[depth], 3, strides=2, padding="same", name=f"{title}_up"
        )(x)
        x = keras.layers.Concatenate(name=f"{title}_skip")([skips[depth], x])
        x = level(x, filters[depth], title)
    if refine:
        x = activate(convolve(x, filters[0], "refine", plain=True), "refine")
    logits = keras.layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    model = keras.Model(image, logits, name=name)
    if batch_norm and batch_norm_momentum is not None:
        set_batch_norm_momentum(model, batch_norm_momentum)
    return model


def _convolution(separable: bool) -> type[keras.layers.Layer]:
    return keras.layers.SeparableConv2D if separable else keras.layers.Conv2D


def _checked_filters(filters: Sequence[int]) -> tuple[int, ...]:
    if isinstance(filters, str) or not isinstance(filters, Sequence):
        raise ModelError(
            f"`filters` must list the filters of each level, such as (16, 32, 64), got "
            f"{filters!r}."
        )
    for width in filters:
        check_count("filters", width)
    if len(filters) < 2:
        raise ModelError(f"`filters` must have two or more levels, got {filters!r}.")
    return tuple(filters)


def _checked_shape(shape: tuple[int, int, int], levels: int) -> tuple[int, int, int]:
    unit = 2 ** (levels - 1)
    height, width, channels = check_image_shape(shape, unit, channels=None)
    if height % unit or width % unit:
        raise ModelError(
            f"`input_shape` must be multiples of {unit} high and wide for {levels} "
            f"levels, got {tuple(shape)}; resize or pad the slices."
        )
    return height, width, channels


def _checked_dropout(
    dropout: float | Sequence[float], levels: int
) -> tuple[float, ...]:
    if not isinstance(dropout, Sequence) or isinstance(dropout, str):
        check_rate("dropout", dropout)
        return (0.0,) * (levels - 1) + (dropout,)
    for rate in dropout:
        check_rate("dropout", rate)
    if len(dropout) != levels:
        raise ModelError(
            f"`dropout` must be one number or one for each of the {levels} levels, got "
            f"{len(dropout)}: {tuple(dropout)}."
        )
    return tuple(dropout)
