"""Colour jitter on batches of images, with TensorFlow."""

import tensorflow as tf

# ITU-R 601 luma in 256ths.
_LUMA = (77 / 256, 150 / 256, 29 / 256)


def jitter(
    images: tf.Tensor, brightness=None, contrast=None, saturation=None
) -> tf.Tensor:
    """Scale brightness, then contrast about the image's mean, then saturation.

    The three are one affine map of the pixels, clipped once at the end: what an early
    step lifts above 255 a later one may bring back.

    Args:
        images: float32 of shape `(batch, height, width, channels)` in 0..255; whole
            numbers, or the mean that contrast turns about is that of the pixels
            rounded down.
        brightness: Factors of shape `(batch,)`, 1 for no change; None for no change of
            any.
        contrast: Likewise.
        saturation: Likewise; images of one channel have none.

    Returns:
        float32 in 0..255, the shape of `images`.
    """
    gain = _factors(brightness)
    offset = 0.0
    if contrast is not None:
        contrast = _factors(contrast)
        offset = (1.0 - contrast) * gain * _means(images)
        gain = contrast * gain
    if saturation is not None and images.shape[-1] == 3:
        saturation = _factors(saturation)
        grey = sum(
            weight * images[..., channel : channel + 1]
            for channel, weight in enumerate(_LUMA)
        )
        offset = grey * (gain * (1.0 - saturation)) + offset
        gain = gain * saturation
    return tf.clip_by_value(images * gain + offset, 0.0, 255.0)


def _factors(factors) -> tf.Tensor | float:
    if factors is None:
        return 1.0
    return tf.cast(factors, tf.float32)[:, None, None, None]


def _means(images: tf.Tensor) -> tf.Tensor:
    """Means of the images, shape `(batch, 1, 1, 1)`, the same in any batch.

    Summed as integers: floating-point sums depend on how the work was divided.
    """
    pixels = images.shape[1] * images.shape[2] * images.shape[3]
    kind = tf.int32 if pixels * 255 < 2**31 else tf.int64
    sums = tf.reduce_sum(tf.cast(images, kind), axis=[1, 2, 3], keepdims=True)
    return tf.cast(sums, tf.float32) / float(pixels)
