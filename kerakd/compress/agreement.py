"""How far an exported file is from the Keras model it came from."""

import os
from typing import Any

import numpy as np

from kerakd.compress.batches import image_batches
from kerakd.compress.interpreter import LiteRTModel
from kerakd.errors import ModelError
from kerakd.evaluation.logits import forward_of


def verify(
    keras_model: Any,
    tflite: str | os.PathLike | LiteRTModel,
    data: Any,
) -> dict[str, Any]:
    """Compare the logits of a Keras model and of an exported file.

    Args:
        keras_model: The model that was exported, or a Distiller, whose student is
            meant.
        tflite: Path of the `.tflite` file, or a `LiteRTModel`.
        data: Raw pixels in 0..255: an array `(N, H, W, C)`, a `tf.data.Dataset` or
            another iterable of batches `x` or `(x, ...)`, or
            `kerakd.data.ImageBatches`. All of it is used, so it must have an end.

    Returns:
        A JSON-able dict: `images`; `max_abs_difference` and `mean_abs_difference` of
        the logits; `relative`, the largest difference over the largest Keras logit;
        `top1_agreement`, the fraction of images (of pixels, for maps) where both name
        the same class.

    Raises:
        ModelError: The file cannot be loaded, gives another number of logits, or
            either of the two gives values that are not finite.
        DataError: There are no images, or their shape is another.

    Example:

    ```python
    report = kerakd.compress.verify(student, "run/student_float32.tflite", images)
    print(report["max_abs_difference"])
    ```
    """
    if not isinstance(tflite, LiteRTModel):
        tflite = LiteRTModel(tflite)
    forward = forward_of(keras_model)
    images, largest, scale, total, values, equal, answers = 0, 0.0, 0.0, 0.0, 0, 0, 0
    for batch in image_batches(data, tflite.input_shape[1:]):
        expected = np.asarray(forward(batch.astype(np.float32)), np.float32)
        given = tflite(batch)
        if expected.shape != given.shape:
            raise ModelError(
                f"The Keras model gives logits of shape {expected.shape}, the exported "
                f"file {given.shape}; they are not the same model."
            )
        for logits, who in ((expected, "Keras model"), (given, "exported file")):
            if not np.isfinite(logits).all():
                raise ModelError(
                    f"The {who} gives logits that are not finite; look for NaN in its "
                    "weights."
                )
        difference = np.abs(expected - given)
        agree = _answers(expected) == _answers(given)
        images += len(batch)
        largest = max(largest, float(difference.max()))
        scale = max(scale, float(np.abs(expected).max()))
        total += float(difference.sum(dtype=np.float64))
        values += difference.size
        equal += int(agree.sum())
        answers += agree.size
    return {
        "images": images,
        "max_abs_difference": largest,
        "mean_abs_difference": total / values,
        "relative": largest / scale if scale else largest,
        "top1_agreement": equal / answers,
    }


def _answers(logits: np.ndarray) -> np.ndarray:
    """The class that logits name; a single logit is that of a binary model."""
    return logits[..., 0] > 0 if logits.shape[-1] == 1 else logits.argmax(-1)
