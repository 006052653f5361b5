"""How far an exported file is from the Keras model it came from."""

import os
from typing import Any

import numpy as np

from kerakd.compress.batches import labelled_image_batches
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
        the logits; `largest`, the largest Keras logit; `relative`, the largest
        difference over it;
        `top1_agreement`, the fraction of images (of pixels, for maps) where both name
        the same class. Where the data carry labels, also `labelled`: `accuracy` (or
        `dice`, the mean over classes but the first) of `keras` and `litert`,
        `correctness_changed` (of how many images, or share of pixels, the one is right
        and the other wrong), and `per_class` the recall (or Dice) of both, by index.

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
    tally = Tally(tflite.output_shape[-1])
    images, largest, scale, total, values, equal, answers = 0, 0.0, 0.0, 0.0, 0, 0, 0
    for batch, labels in labelled_image_batches(data, tflite.input_shape[1:]):
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
        before, after = answers_of(expected), answers_of(given)
        agree = before == after
        tally.add(labels, before, after)
        images += len(batch)
        largest = max(largest, float(difference.max()))
        scale = max(scale, float(np.abs(expected).max()))
        total += float(difference.sum(dtype=np.float64))
        values += difference.size
        equal += int(agree.sum())
        answers += agree.size
    report = {
        "images": images,
        "max_abs_difference": largest,
        "mean_abs_difference": total / values,
        "largest": scale,
        "relative": largest / scale if scale else largest,
        "top1_agreement": equal / answers,
    }
    return report | ({"labelled": tally.report()} if tally.images else {})


class Tally:
    """Right and wrong answers of two models on labelled images or masks."""

    def __init__(self, logits: int):
        self._classes = max(2, logits)
        shape = (self._classes,)
        self._labelled = np.zeros(shape, np.int64)
        self._right = np.zeros((2, *shape), np.int64)
        self._said = np.zeros((2, *shape), np.int64)
        self._changed = 0
        self._maps = False
        self.images = 0

    def add(self, labels, before: np.ndarray, after: np.ndarray) -> None:
        """Count a batch; one without labels of its shape is left out."""
        if labels is None or labels.shape != before.shape:
            return
        self.images += len(labels)
        self._maps = labels.ndim > 1
        self._labelled += self._count(labels)
        for row, said in enumerate((before, after)):
            self._right[row] += self._count(labels[said == labels])
            self._said[row] += self._count(said)
        self._changed += int(((before == labels) != (after == labels)).sum())

    def _count(self, classes: np.ndarray) -> np.ndarray:
        return np.bincount(
            np.clip(classes.ravel().astype(np.int64), 0, self._classes - 1),
            minlength=self._classes,
        )

    def report(self) -> dict[str, Any]:
        """What `verify` tells of labelled images."""
        total = int(self._labelled.sum())
        if self._maps:
            name, sizes = "dice", self._said + self._labelled
            scores = 2 * self._right / np.maximum(sizes, 1)
            present = (sizes > 0).all(axis=0)
            present[0] = False  # the background
            means = [
                float(row[present].mean()) if present.any() else 1.0 for row in scores
            ]
            changed = self._changed / total
        else:
            name = "accuracy"
            scores = self._right / np.maximum(self._labelled, 1)
            means = [float(row.sum() / total) for row in self._right]
            changed = self._changed
        return {
            "images": self.images,
            name: {"keras": means[0], "litert": means[1]},
            "correctness_changed": changed,
            "per_class": [
                {
                    "keras": float(scores[0, k]),
                    "litert": float(scores[1, k]),
                    "count": int(self._labelled[k]),
                }
                for k in range(self._classes)
            ],
        }


def answers_of(logits: np.ndarray) -> np.ndarray:
    """The class that logits name; a single logit is that of a binary model."""
    return logits[..., 0] > 0 if logits.shape[-1] == 1 else logits.argmax(-1)
