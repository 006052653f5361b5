"""MixUp and CutMix of two batches, with TensorFlow."""

import tensorflow as tf


def mix_images(images: tf.Tensor, partners: tf.Tensor, draws: dict) -> tf.Tensor:
    """Blend partners into images, everywhere (MixUp) or inside a box (CutMix).

    A pixel on the edge of a box is blended by how much of it the box covers. So the
    partner's share of the picture is exactly its share of the label, at any size.

    Args:
        images: float32 of shape `(batch, height, width, channels)`.
        partners: Of the same shape.
        draws: `mix_strength` and `mix_box` as `draw` makes them.

    Returns:
        float32 of the same shape.
    """
    box = draws["mix_box"]
    rows = _coverage(box[:, 1], box[:, 3], images.shape[1])
    columns = _coverage(box[:, 0], box[:, 2], images.shape[2])
    strength = draws["mix_strength"][:, None, None, None]
    weight = strength * rows[:, :, None, None] * columns[:, None, :, None]
    return images + weight * (partners - images)


def mix_labels(labels: tf.Tensor, partners: tf.Tensor, draws: dict) -> tf.Tensor:
    """Labels (or weights) of mixed images.

    Args:
        labels: float32 of shape `(batch, classes)` or `(batch,)`.
        partners: Those of the partners.
        draws: `mix_share` as `draw` makes it.

    Returns:
        `(1 - share) * labels + share * partners`.
    """
    share = draws["mix_share"]
    if labels.shape.rank == 2:
        share = share[:, None]
    return (1.0 - share) * labels + share * partners


def _coverage(low: tf.Tensor, high: tf.Tensor, count: int) -> tf.Tensor:
    """How much of each of `count` pixels in a row lies between two fractions of it."""
    left = tf.range(count, dtype=tf.float32)[None]
    low, high = low[:, None] * float(count), high[:, None] * float(count)
    covered = tf.minimum(left + 1.0, high) - tf.maximum(left, low)
    return tf.clip_by_value(covered, 0.0, 1.0)
