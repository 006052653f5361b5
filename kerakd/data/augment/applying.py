"""Turning pixels by drawn parameters: pure TensorFlow, no randomness of its own."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from kerakd.data.augment import colour, mixing, warping
from kerakd.data.augment.policy import Augmentation
from kerakd.errors import RecipeError

_COLOUR = ("brightness", "contrast", "saturation")


def apply(
    policy: Augmentation | None,
    draws: Mapping[str, np.ndarray | tf.Tensor],
    images: np.ndarray | tf.Tensor,
    partner_draws: Mapping[str, np.ndarray | tf.Tensor] | None = None,
    partner_images: np.ndarray | tf.Tensor | None = None,
) -> tf.Tensor:
    """Apply drawn parameters to a batch of images.

    Runs eagerly and inside a `tf.data` map. An image's pixels depend on its own row
    (and on its partner's) alone, not on the batch it comes in.

    Args:
        policy: The policy that the draws are of; None for no change.
        draws: Rows of `draw(policy, ...)`, one per image.
        images: uint8 of shape `(batch, height, width, channels)`, with a static height,
            width and number of channels.
        partner_draws: Rows of the partners' own draws, where the policy mixes.
        partner_images: The partners, where the policy mixes.

    Returns:
        float32 in 0..255, of the shape of `images`.

    Raises:
        RecipeError: The policy mixes and partners are missing.

    Example:

    ```python
    policy = Augmentation.preset("full")
    draws = draw(policy, seed=0, view=3, ids=samples.ids[:8])
    pixels = apply(policy, draws, images)
    ```
    """
    images = tf.convert_to_tensor(images)
    if policy is None:
        return tf.cast(images, tf.float32)
    draws = {name: tf.convert_to_tensor(column) for name, column in draws.items()}
    changed = _apply_own(policy, draws, images)
    if not policy.mixes:
        return changed
    if partner_draws is None or partner_images is None:
        raise RecipeError(
            "mixup and cutmix need the images of the drawn partners and their draws; "
            "give partner_images= and partner_draws=."
        )
    partners = apply(_without_mix(policy), partner_draws, partner_images)
    return mixing.mix_images(changed, partners, draws)


def _apply_own(policy: Augmentation, draws: dict, images: tf.Tensor) -> tf.Tensor:
    if policy.flips and not policy.moves:
        # No interpolation is needed, and 8-bit pixels are a quarter of the bytes.
        images = warping.flip(
            images, draws.get("horizontal_flip"), draws.get("vertical_flip")
        )
    images = tf.cast(images, tf.float32)
    if policy.jitters:
        images = colour.jitter(images, *(draws.get(name) for name in _COLOUR))
    if policy.randaugment is not None:
        # Only here: it imports KerasCV, which takes seconds.
        from kerakd.data.augment.pixel_operators import apply_operators

        images = apply_operators(images, draws["operators"], draws["strengths"])
    if policy.moves:
        images = warping.warp(images, draws["matrix"], draws["shift"])
    return images


def _without_mix(policy: Augmentation) -> Augmentation:
    return Augmentation.from_config({**policy.get_config(), "mixup": 0, "cutmix": 0})
