"""What an exported file must show before it takes its name."""

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from kerakd.compress.agreement import verify
from kerakd.compress.batches import image_batches
from kerakd.compress.interpreter import LiteRTModel
from kerakd.compress.modes import MODES
from kerakd.errors import ModelError

if TYPE_CHECKING:
    import keras

# Images on which a file is compared with Keras before it takes its name.
_CHECKED = 64
_RANDOM = 8


def check_weights_inside(model: "keras.Model", mode: str, size: int) -> None:
    """Refuse a file too small to hold the kernels of the model.

    Vectors are left out of the sum, since BatchNorm's fold away, and equal kernels
    count once, since equal buffers are stored once.
    """
    kernels = {}
    for variable in model.variables:
        if len(variable.shape) >= 2:
            values = np.asarray(variable)
            kernels[hashlib.sha256(values.tobytes()).digest()] = values.size
    expected = sum(kernels.values()) * MODES[mode].weight_bytes
    if size < 0.9 * expected:
        raise ModelError(
            f"The exported file of model {model.name!r} has {size} bytes, its kernels "
            f"alone take {expected}: the weights are not inside, or a part of the "
            "model is not used by its output."
        )


def check_agreement(
    model: "keras.Model",
    litert: LiteRTModel,
    mode: str,
    data: Any,
    shape: tuple[int, int, int],
    inputs: str = "pixels",
) -> dict[str, Any]:
    """Compare the converted model with Keras, and refuse it where they disagree.

    Returns:
        `verify`'s dict, and under `pixels` whether images were "given" or "random".
    """
    if data is None:
        pixels = "random"
        random = np.random.default_rng(0)
        if inputs == "pixels":
            images = random.integers(0, 256, (_RANDOM, *shape)).astype(np.float32)
        else:
            images = random.standard_normal((_RANDOM, *shape), np.float32)
    else:
        pixels = "given"
        images = first_images(data, shape)
    report = {"pixels": pixels} | verify(model, litert, images)
    what, measured = "up to", report["max_abs_difference"]
    if MODES[mode].calibrated:
        # A single pixel or an odd image may be far off where ranges were clipped.
        what, measured = "on average", report["mean_abs_difference"]
    share = measured / report["largest"] if report["largest"] else measured
    if share > MODES[mode].tolerance:
        raise ModelError(
            f"The exported file of model {model.name!r} disagrees with Keras: its "
            f"logits differ by {what} {measured:.3g}, {share:.2g} of the largest logit "
            f"(at most {MODES[mode].tolerance:g} is allowed for {mode}); it was not "
            "written."
        )
    return report


def first_images(data: Any, shape: tuple[int, int, int]) -> np.ndarray:
    """The first 64 images of the data, float32, as one array."""
    batches, count = [], 0
    for batch in image_batches(data, shape):
        batches.append(batch)
        count += len(batch)
        if count >= _CHECKED:
            break
    return np.concatenate(batches)[:_CHECKED].astype(np.float32)
