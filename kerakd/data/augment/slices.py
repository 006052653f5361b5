"""Turning slices and their masks by drawn parameters, both alike."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from kerakd.data.augment import warping
from kerakd.data.augment.policy import Augmentation

# In a brain the mean lies about so many standard deviations above no signal. A gain
# acts on the signal, which z-scores tell only by this.
_MEAN = 3.0


def apply_to_slices(
    policy: Augmentation | None,
    draws: Mapping[str, np.ndarray | tf.Tensor],
    images: np.ndarray | tf.Tensor,
    masks: np.ndarray | tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Apply drawn parameters to a batch of z-scored slices and their masks.

    Intensities change first, inside the brain alone (where a slice is not 0 in every
    channel). Then one transform moves image and mask: bilinear for the image, the
    nearest pixel for the mask, 0 where nothing was.

    Args:
        policy: The policy that the draws are of; None for no change.
        draws: Rows of `draw(policy, ...)`, one per slice.
        images: `(batch, height, width, channels)`, any float type, up to 8 channels.
        masks: uint8 `(batch, height, width)`.

    Returns:
        float32 images and int32 masks of the same shapes.

    Example:

    ```python
    policy = Augmentation.preset("slices")
    draws = draw(policy, seed=0, view=3, ids=store.samples.ids[:8])
    images, masks = apply_to_slices(policy, draws, store.images[:8], store.masks[:8])
    ```
    """
    images = tf.cast(tf.convert_to_tensor(images), tf.float32)
    masks = tf.cast(tf.convert_to_tensor(masks), tf.int32)
    if policy is None:
        return images, masks
    draws = {name: tf.convert_to_tensor(column) for name, column in draws.items()}
    images = _change_intensity(images, draws)
    masks = masks[..., None]
    if policy.elastic:
        images, masks = _bend(images, masks, draws)
    elif policy.moves:
        where = draws["matrix"], draws["shift"]
        images = warping.warp(images, *where)
        masks = warping.warp(masks, *where, interpolation="NEAREST")
    elif policy.flips:
        sides = draws.get("horizontal_flip"), draws.get("vertical_flip")
        images, masks = warping.flip(images, *sides), warping.flip(masks, *sides)
    return images, masks[..., 0]


def _change_intensity(images: tf.Tensor, draws: dict) -> tf.Tensor:
    if "bias_field" not in draws and "intensity" not in draws:
        return images
    height, width, channels = images.shape[1:]
    changed = images
    if "bias_field" in draws:
        field = tf.image.resize(
            draws["bias_field"][..., None], (height, width), "bicubic"
        )
        changed = (changed + _MEAN) * tf.exp(field) - _MEAN
    if "intensity" in draws:
        drawn = draws["intensity"][:, None, None, :channels]
        changed = changed * drawn[..., 0] + drawn[..., 1]
    brain = tf.reduce_any(images != 0, axis=-1, keepdims=True)
    return tf.where(brain, changed, 0.0)


def _bend(
    images: tf.Tensor, masks: tf.Tensor, draws: dict
) -> tuple[tf.Tensor, tf.Tensor]:
    """The linear transform and the elastic one in one step of interpolation."""
    height, width = images.shape[1], images.shape[2]
    size = tf.constant([width, height], tf.float32)
    bend = tf.image.resize(draws["elastic"], (height, width), "bicubic") * size
    x, y = tf.meshgrid(tf.range(width), tf.range(height))
    place = tf.cast(tf.stack([x, y], axis=-1), tf.float32) + bend
    linear = warping.pixel_transforms(draws["matrix"], draws["shift"], height, width)
    linear = linear[:, None, None]
    x = linear[..., 0] * place[..., 0] + linear[..., 1] * place[..., 1] + linear[..., 2]
    y = linear[..., 3] * place[..., 0] + linear[..., 4] * place[..., 1] + linear[..., 5]
    left, top = tf.floor(x), tf.floor(y)
    result = 0.0
    for right, below in ((0, 0), (1, 0), (0, 1), (1, 1)):
        share = _share(x - left, right) * _share(y - top, below)
        there = _pixels(images, left + right, top + below)
        result += share[..., None] * there
    return result, _pixels(masks, tf.floor(x + 0.5), tf.floor(y + 0.5))


def _share(fraction: tf.Tensor, far: int) -> tf.Tensor:
    return fraction if far else 1.0 - fraction


def _pixels(images: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Pixels at whole places, 0 outside."""
    height, width, channels = images.shape[1:]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    column = tf.cast(tf.clip_by_value(x, 0, width - 1), tf.int32)
    row = tf.cast(tf.clip_by_value(y, 0, height - 1), tf.int32)
    flat = tf.reshape(images, (-1, height * width, channels))
    index = tf.reshape(row * width + column, (-1, height * width))
    found = tf.gather(flat, index, batch_dims=1)
    found = tf.reshape(found, (-1, height, width, channels))
    return tf.where(inside[..., None], found, tf.zeros((), images.dtype))
