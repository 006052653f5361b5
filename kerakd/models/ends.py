"""The two ends that all classifiers share: raw pixels in, logits out."""

from collections.abc import Sequence
from numbers import Integral, Real

import keras

from kerakd.errors import ModelError

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
# "torch" preprocessing, (pixel / 255 - mean) / deviation, as one product and one sum.
IMAGENET_SCALE = tuple(1 / (255 * d) for d in _DEVIATION)
IMAGENET_OFFSET = tuple(-m / d for m, d in zip(_MEAN, _DEVIATION, strict=True))


def check_image_shape(
    shape: Sequence[int], smallest: int, channels: tuple[int, ...] | None = (1, 3)
) -> tuple[int, int, int]:
    """Refuse what is no `(height, width, channels)` of a model's size.

    Args:
        shape: What the user gave.
        smallest: Fewest pixels that a side may have.
        channels: Channel counts that the model takes; any if `None`.

    Returns:
        The shape as three integers.

    Raises:
        ModelError: It does not fit.
    """
    try:
        height, width, depth = (int(extent) for extent in shape)
    except (TypeError, ValueError):
        raise ModelError(
            f"`input_shape` must be (height, width, channels), got {shape!r}."
        ) from None
    if min(height, width) < smallest:
        raise ModelError(
            f"`input_shape` must be at least {smallest} pixels high and wide for this "
            f"model, got {tuple(shape)}."
        )
    if depth < 1 or (channels is not None and depth not in channels):
        wanted = " or ".join(map(str, channels or ("one or more",)))
        raise ModelError(
            f"`input_shape` must end in {wanted} channels for this model, got {depth} "
            f"in {tuple(shape)}."
        )
    return height, width, depth


def pixels(
    input_shape: tuple[int, int, int],
    scale: float | Sequence[float],
    offset: float | Sequence[float],
    channels: int | None = 3,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """An image input and its normalised pixels: `pixel * scale + offset`.

    The arithmetic is in float32 under every precision policy: in bfloat16 a pixel of
    an augmented image would be rounded to whole grey levels.

    Args:
        input_shape: Height, width and channels of the pictures, pixels in 0..255.
        scale: One factor, or one for each channel.
        offset: One summand, or one for each channel.
        channels: How many channels the backbone takes; a grey picture is repeated.
            `None` takes them as they come.

    Returns:
        `(input, normalised)`.
    """
    image = keras.Input(shape=input_shape, name="image")
    x = image
    if channels is not None and input_shape[-1] != channels:
        x = keras.layers.Concatenate(dtype="float32", name="grey_to_rgb")(
            [x] * channels
        )
    x = keras.layers.Rescaling(scale, offset, dtype="float32", name="normalize")(x)
    return image, x


def classifier(
    features: keras.KerasTensor,
    num_classes: int,
    dropout: float,
    head_units: int | None = None,
    name: str = "logits",
) -> keras.KerasTensor:
    """Dropout and a dense layer that gives logits in float32.

    Args:
        features: Tensor `(batch, features)`.
        num_classes: How many logits.
        dropout: Share of features dropped in training, in [0, 1).
        head_units: Units of one hidden ReLU layer before the logits; none if `None`.
        name: Name of the dense layer.

    Returns:
        Logits `(batch, num_classes)`.

    Raises:
        ModelError: An argument is out of range.
    """
    check_classes(num_classes)
    check_rate("dropout", dropout)
    x = features
    if head_units is not None:
        check_count("head_units", head_units)
        x = keras.layers.Dense(head_units, activation="relu", name="head_dense")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return keras.layers.Dense(num_classes, dtype="float32", name=name)(x)


def check_classes(num_classes: int) -> None:
    """Refuse a class count that is no integer of at least 2."""
    if isinstance(num_classes, bool) or not isinstance(num_classes, Integral):
        raise ModelError(f"`num_classes` must be an integer, got {num_classes!r}.")
    if num_classes < 2:
        raise ModelError(
            f"`num_classes` must be at least 2, got {num_classes}; two classes have "
            "two logits."
        )


def check_rate(name: str, value: float) -> None:
    """Refuse a share that is not in [0, 1)."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ModelError(f"`{name}` must be a number, got {value!r}.")
    if not 0 <= value < 1:
        raise ModelError(f"`{name}` must be at least 0 and below 1, got {value}.")


def check_count(name: str, value: int) -> None:
    """Refuse what is no integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ModelError(f"`{name}` must be an integer of at least 1, got {value!r}.")


def check_factor(name: str, value: float) -> None:
    """Refuse a width factor that is not above 0 and at most 8."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ModelError(f"`{name}` must be a number, got {value!r}.")
    if not 0 < value <= 8:
        raise ModelError(f"`{name}` must be above 0 and at most 8, got {value}.")
