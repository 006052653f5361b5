"""`applying.py` without TensorFlow: the same draws give the same pixels.

For training on JAX and PyTorch. Pixels agree with TensorFlow's to 1 grey level, which
is what the order of float32 operations leaves; flips alone agree to the bit.
"""

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from kerakd.data.augment.policy import Augmentation
from kerakd.errors import RecipeError

# ITU-R 601 luma in 256ths.
_LUMA = np.array([77 / 256, 150 / 256, 29 / 256], np.float32)
_COLOUR = ("brightness", "contrast", "saturation")


def apply(
    policy: Augmentation | None,
    draws: Mapping[str, np.ndarray],
    images: np.ndarray,
    partner_draws: Mapping[str, np.ndarray] | None = None,
    partner_images: np.ndarray | None = None,
) -> np.ndarray:
    """Apply drawn parameters to a batch of images; see `kerakd.data.augment.apply`.

    Args:
        policy: The policy that the draws are of; None for no change.
        draws: Rows of `draw(policy, ...)`, one per image.
        images: uint8 of shape `(batch, height, width, channels)`.
        partner_draws: Rows of the partners' own draws, where the policy mixes.
        partner_images: The partners, where the policy mixes.

    Returns:
        float32 in 0..255, of the shape of `images`.

    Raises:
        RecipeError: The policy mixes and partners are missing.
    """
    if policy is None:
        return images.astype(np.float32)
    changed = _apply_own(policy, draws, images)
    if not policy.mixes:
        return changed
    if partner_draws is None or partner_images is None:
        raise RecipeError(
            "mixup and cutmix need the images of the drawn partners and their draws; "
            "give partner_images= and partner_draws=."
        )
    partners = _apply_own(policy, partner_draws, partner_images)
    return mix_images(changed, partners, draws)


def _apply_own(policy: Augmentation, draws: Mapping, images: np.ndarray) -> np.ndarray:
    if policy.flips and not policy.moves:
        for name, axis in (("horizontal_flip", 2), ("vertical_flip", 1)):
            if name in draws:
                turned = np.flip(images, axis)
                images = np.where(_beside(draws[name], images), turned, images)
    images = images.astype(np.float32)
    if policy.jitters:
        images = jitter(images, *(draws.get(name) for name in _COLOUR))
    if policy.randaugment is not None:
        from kerakd.data.augment.numpy_operators import apply_operators

        images = apply_operators(images, draws["operators"], draws["strengths"])
    if policy.moves:
        images = warp(images, draws["matrix"], draws["shift"])
    return images


def jitter(
    images: np.ndarray, brightness=None, contrast=None, saturation=None
) -> np.ndarray:
    """Scale brightness, contrast about the mean, saturation; see `colour.jitter`."""
    one = np.ones(len(images), np.float32)
    gain = _beside(one if brightness is None else brightness, images)
    offset = np.float32(0)
    if contrast is not None:
        contrast = _beside(contrast, images)
        means = images.astype(np.int64).sum((1, 2, 3), keepdims=True)
        means = means.astype(np.float32) / np.float32(images[0].size)
        offset = (1 - contrast) * gain * means
        gain = contrast * gain
    if saturation is not None and images.shape[-1] == 3:
        saturation = _beside(saturation, images)
        grey = (images * _LUMA).sum(-1, keepdims=True)
        offset = grey * (gain * (1 - saturation)) + offset
        gain = gain * saturation
    return np.clip(images * gain + offset, 0, 255).astype(np.float32)


def warp(images: np.ndarray, matrix: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Warp each image about its centre, bilinear; see `warping.warp`.

    Args:
        images: float32 of shape `(batch, height, width, channels)`.
        matrix: `(batch, 2, 2)`, x before y, from the result to the source.
        shift: `(batch, 2)`, in widths and heights.
    """
    size = np.array([images.shape[2], images.shape[1]], np.float64)
    centre = (size - 1) / 2
    moved = centre + np.asarray(shift, np.float64) * size
    matrix = np.asarray(matrix, np.float64)
    offset = centre - np.einsum("nij,nj->ni", matrix, moved)
    # TensorFlow's operation takes its numbers in float32, and so does this one.
    matrix, offset = (part.astype(np.float32) for part in (matrix, offset))
    result = np.empty_like(images)
    for image, turn, start, out in zip(images, matrix, offset, result, strict=True):
        for channel in range(images.shape[-1]):
            # Rows before columns, where the draw has x before y.
            ndimage.affine_transform(
                image[..., channel],
                turn[::-1, ::-1],
                start[::-1],
                output=out[..., channel],
                order=1,
                mode="grid-constant",
            )
    return result


def mix_images(images: np.ndarray, partners: np.ndarray, draws: Mapping) -> np.ndarray:
    """Blend partners into images (MixUp) or into boxes (CutMix)."""
    box = draws["mix_box"]
    rows = _coverage(box[:, 1], box[:, 3], images.shape[1])
    columns = _coverage(box[:, 0], box[:, 2], images.shape[2])
    weight = _beside(draws["mix_strength"], images)
    weight = weight * rows[:, :, None, None] * columns[:, None, :, None]
    return images + weight * (partners - images)


def mix_labels(labels: np.ndarray, partners: np.ndarray, draws: Mapping) -> np.ndarray:
    """`(1 - share) * labels + share * partners`, for rows of classes or for weights."""
    share = draws["mix_share"]
    share = share[:, None] if labels.ndim == 2 else share
    return (1 - share) * labels + share * partners


def _coverage(low: np.ndarray, high: np.ndarray, count: int) -> np.ndarray:
    """How much of each of `count` pixels in a row lies between two fractions of it."""
    left = np.arange(count, dtype=np.float32)[None]
    low, high = low[:, None] * np.float32(count), high[:, None] * np.float32(count)
    return np.clip(np.minimum(left + 1, high) - np.maximum(left, low), 0, 1)


def _beside(values: np.ndarray, images: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype != bool:
        values = values.astype(np.float32)
    return values.reshape(-1, *(1,) * (images.ndim - 1))
