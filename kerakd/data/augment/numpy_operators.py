"""The pixel operators of RandAugment without TensorFlow and KerasCV.

The formulas are those of `pixel_operators.py`, which has KerasCV's layers carry them
out; what is cut down to whole grey levels there is cut down here.
"""

import numpy as np
from scipy import ndimage

from kerakd.data.augment.numpy_applying import jitter
from kerakd.data.augment.randaugment import OPERATORS

# As in pixel_operators.py, which cannot be imported where TensorFlow is absent.
STRONGEST_FACTOR = 0.9
STRONGEST_BRIGHTNESS = 127.5
FEWEST_BITS = 4
_BLUR = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / np.float32(13)


def apply_operators(
    images: np.ndarray, operators: np.ndarray, strengths: np.ndarray
) -> np.ndarray:
    """Apply the drawn operators to each image, one after the other.

    Args:
        images: float32 of shape `(batch, height, width, channels)` in 0..255.
        operators: Positions in `randaugment.OPERATORS`, `(batch, operations)`.
        strengths: -1 to 1, float32 of that shape.

    Returns:
        float32 in 0..255, the shape of `images`.
    """
    result = images.copy()
    for row, (chosen, strength) in enumerate(zip(operators, strengths, strict=True)):
        for operator, how in zip(chosen, strength, strict=True):
            change = _OPERATORS.get(OPERATORS[operator])
            if change is not None:
                result[row] = change(result[row], np.float32(how))
    return result


def _auto_contrast(image, _):
    low, high = image.min((0, 1)), image.max((0, 1))
    flat = high == low
    scale = np.float32(255) / np.where(flat, 1, high - low).astype(np.float32)
    return np.where(flat, image, np.clip(image * scale - low * scale, 0, 255))


def _equalize(image, _):
    levels = image.astype(np.int32)
    return np.stack(
        [_equalized(levels[..., c]) for c in range(image.shape[-1])], axis=-1
    )


def _equalized(channel: np.ndarray) -> np.ndarray:
    histogram = np.bincount(channel.reshape(-1), minlength=256)
    step = (histogram.sum() - histogram[histogram > 0].min()) // 255
    if step == 0:
        return channel
    table = (np.cumsum(histogram) + step // 2) // step
    table = np.concatenate([[0], table[:-1]]).clip(0, 255)
    return table[channel]


def _posterize(image, strength):
    # Python and TensorFlow both round halves to even.
    dropped = int(np.round(abs(strength) * np.float32(8 - FEWEST_BITS)))
    return ((image.astype(np.uint8) >> dropped) << dropped).astype(np.float32)


def _solarize(image, strength):
    threshold = np.float32(255) * (1 - abs(strength))
    return np.where(image < threshold, image, 255 - image)


def _brightness(image, strength):
    return np.clip(image + np.float32(STRONGEST_BRIGHTNESS) * strength, 0, 255)


def _contrast(image, strength):
    return jitter(image[None], contrast=_factor(strength))[0]


def _saturation(image, strength):
    return jitter(image[None], saturation=_factor(strength))[0]


def _sharpness(image, strength):
    smooth = image.copy()
    if min(image.shape[:2]) > 2:
        blurred = ndimage.correlate(image, _BLUR[..., None], mode="nearest")
        smooth[1:-1, 1:-1] = np.clip(blurred[1:-1, 1:-1], 0, 255)
    amount = np.float32(STRONGEST_FACTOR) * strength
    return np.clip(image + amount * (smooth - image), 0, 255)


def _factor(strength) -> np.ndarray:
    return np.array([1 + STRONGEST_FACTOR * strength], np.float32)


# The geometric operators belong to the warp.
_OPERATORS = {
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "posterize": _posterize,
    "solarize": _solarize,
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "sharpness": _sharpness,
}
