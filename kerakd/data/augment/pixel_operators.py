"""The pixel operators of RandAugment: KerasCV's, at a strength that was drawn.

KerasCV's layers draw with generators of their own, which change with batch size and
parallelism. So the layers serve as operators: their `augment_images` is called with
the drawn transformation, one image at a time, and nothing random is left.
"""

from functools import cache

import tensorflow as tf

from kerakd.data.augment import colour
from kerakd.data.augment.randaugment import OPERATORS

_RANGE = (0, 255)
_STRONGEST_FACTOR = 0.9  # of contrast, saturation and sharpness
_STRONGEST_BRIGHTNESS = 127.5  # added to the pixels
_FEWEST_BITS = 4


def apply_operators(images: tf.Tensor, operators, strengths) -> tf.Tensor:
    """Apply the drawn operators to each image, one after the other.

    Args:
        images: float32 of shape `(batch, height, width, channels)` in 0..255.
        operators: Positions in `randaugment.OPERATORS`, int32 `(batch, operations)`.
            Geometric ones leave the pixels alone: they belong to the warp.
        strengths: -1 to 1, float32 of that shape.

    Returns:
        float32 in 0..255, the shape of `images`.
    """
    layers = _layers()

    def one(row):
        image, chosen, strength = row
        image = image[None]
        for step in range(chosen.shape[0]):
            image = tf.switch_case(
                chosen[step],
                [
                    lambda name=name, image=image, step=step: _apply(
                        layers, name, image, strength[step]
                    )
                    for name in OPERATORS
                ],
            )
        return image[0]

    signature = tf.TensorSpec(images.shape[1:], tf.float32)
    return tf.map_fn(one, (images, operators, strengths), fn_output_signature=signature)


def _apply(layers: dict, name: str, image: tf.Tensor, strength: tf.Tensor):
    """One operator on one image of shape `(1, height, width, channels)`."""
    size = tf.abs(strength)
    factor = tf.reshape(1.0 + _STRONGEST_FACTOR * strength, [1])
    if name == "posterize":
        dropped = tf.cast(tf.round(size * (8 - _FEWEST_BITS)), tf.int32)
        layer_of = [layers[f"posterize_{8 - n}"] for n in range(8 - _FEWEST_BITS + 1)]
        image = tf.switch_case(
            dropped,
            [lambda layer=layer: layer.augment_image(image) for layer in layer_of],
        )
    elif name == "solarize":
        thresholds = 255.0 * (1.0 - size)
        image = layers[name].augment_images(
            image, {"thresholds": thresholds, "additions": 0.0}
        )
    elif name == "brightness":
        image = layers[name].augment_images(image, _STRONGEST_BRIGHTNESS * strength)
    elif name == "sharpness":
        image = layers[name].augment_images(image, _STRONGEST_FACTOR * strength)
    elif name in ("auto_contrast", "equalize"):
        image = layers[name].augment_images(image)
    elif name == "contrast":
        image = colour.jitter(image, contrast=factor)
    elif name == "saturation":
        image = colour.jitter(image, saturation=factor)
    return tf.ensure_shape(image, [1, *image.shape[1:]])


@cache
def _layers() -> dict:
    """KerasCV's layers by operator; imported here since that takes seconds."""
    # Layers make variables, which must not be born inside the graph of a tf.data map.
    with tf.init_scope():
        from keras_cv import layers

        # A seed and a type of their own keep them clear of TensorFlow's global
        # generator and of a global mixed-precision policy.
        options = {"dtype": "float32", "seed": 1}
        made = {
            "auto_contrast": layers.AutoContrast(_RANGE, **options),
            "equalize": layers.Equalization(_RANGE, **options),
            "solarize": layers.Solarization(_RANGE, **options),
            "brightness": layers.RandomBrightness((0, 0), _RANGE, **options),
            "sharpness": layers.RandomSharpness((0, 0), _RANGE, **options),
        }
        for bits in range(_FEWEST_BITS, 9):
            made[f"posterize_{bits}"] = layers.Posterization(_RANGE, bits, **options)
    return made
