"""One call from a model and a data set to its metrics."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerakd.evaluation.classification import classification_metrics, probabilities
from kerakd.evaluation.logits import collect


def evaluate(
    model: Any,
    data: Any,
    class_names: Sequence[str] | None = None,
    *,
    progress: bool | None = None,
    key: str = "student",
) -> dict[str, Any]:
    """Evaluate a classifier on labelled pictures.

    ```python
    metrics = kerakd.evaluate(distiller, test_batches)
    print(metrics["accuracy"], metrics["accuracy_interval"])
    print(metrics["per_class"]["glioma"]["recall"])
    ```

    Args:
        model: As in `predict_logits`: a `keras.Model` that ends in logits, a Distiller
            (its student is evaluated) or a callable runner.
        data: As in `predict_logits`. Sample weights that it carries weight every
            metric.
        class_names: One name for each class; by default `data.class_names`, and
            `"0"`, `"1"`, ... where the data know none.
        progress: Whether to show a progress bar; by default for more than 500 pictures
            on a terminal.
        key: Which pictures the model gets where they come by routing key.

    Returns:
        The metrics of `classification_metrics`, and of the logits: `confidence` (mean
        probability of the predicted class: over all, over right and over wrong
        answers; `None` where there are none; well above the accuracy it means
        overconfidence) and `logit_range` (smallest and largest logit).

    Raises:
        ModelError: The model gives no logits, or those of another number of classes.
        DataError: The data are empty or not labelled with these classes.
    """
    logits, labels, weights = collect(model, data, progress, key=key)
    if class_names is None:
        class_names = getattr(data, "class_names", None)
    if class_names is None:
        class_names = [str(index) for index in range(max(2, logits.shape[1]))]
    metrics = classification_metrics(labels, logits, class_names, weights)
    predicted = probabilities(logits)
    right = predicted.argmax(axis=1) == labels
    confidence = predicted.max(axis=1)
    return {
        **metrics,
        "confidence": {
            "mean": float(np.mean(confidence)),
            "right": float(np.mean(confidence[right])) if right.any() else None,
            "wrong": float(np.mean(confidence[~right])) if not right.all() else None,
        },
        "logit_range": [float(logits.min()), float(logits.max())],
    }
