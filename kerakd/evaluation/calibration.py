"""Whether a model is right as often as it says, and the temperature that mends it."""

from typing import Any

import numpy as np

from kerakd.errors import DataError
from kerakd.evaluation.batches import integer_labels
from kerakd.evaluation.classification import class_logits, probabilities

BINS = 15
# Beyond these the logits are no longer scaled but replaced.
_COLDEST, _HOTTEST = 0.05, 20.0


def reliability(
    labels: Any, logits: Any, *, bins: int = BINS, temperature: float = 1.0
) -> dict[str, Any]:
    """Expected calibration error, and the bins that a reliability diagram shows.

    Pictures are sorted by the probability of the predicted class into bins of equal
    width (Naeini et al. 2015; Guo et al. 2017, with 15 bins). The error is the mean
    distance of accuracy and confidence, weighted by the pictures in a bin. On few
    pictures it is biased upwards: even a calibrated model has some.

    Args:
        labels: Class indices of shape (N,), or one-hot rows.
        logits: As in `classification_metrics`.
        bins: How many.
        temperature: What the logits are divided by first, above 0.

    Returns:
        `ece` and `max_error` (both 0..1) and `bins`, a list of those that hold
        pictures: `low`, `high`, `count`, `confidence`, `accuracy`.
    """
    chances = probabilities(logits, temperature)
    labels = _checked(labels, chances)
    sure = chances.max(axis=1)
    right = chances.argmax(axis=1) == labels
    # A probability on an edge belongs to the bin below it; 0 to the first.
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    found = []
    for index in np.unique(place):
        inside = place == index
        found.append(
            {
                "low": float(index / bins),
                "high": float((index + 1) / bins),
                "count": int(inside.sum()),
                "confidence": float(sure[inside].mean()),
                "accuracy": float(right[inside].mean()),
            }
        )
    gaps = np.array([abs(one["accuracy"] - one["confidence"]) for one in found])
    counts = np.array([one["count"] for one in found])
    return {
        "ece": float(np.average(gaps, weights=counts)),
        "max_error": float(gaps.max()),
        "bins": found,
    }


def fit_temperature(labels: Any, logits: Any) -> float:
    """The temperature that minimises the log loss (Guo et al. 2017).

    Dividing the logits by it changes no prediction. It has to be fitted on images that
    neither trained the model nor test it: the validation set.

    Args:
        labels: Class indices of shape (N,), or one-hot rows.
        logits: As in `classification_metrics`.

    Returns:
        A temperature from 0.05 to 20; above 1 the model was too sure. Where every
        answer is right there is no minimum, and the model is left as it is: 1.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logits = class_logits(logits).astype(np.float64)
    labels = _checked(labels, logits)
    rows = np.arange(len(labels))
    if (logits.argmax(axis=1) == labels).all():
        return 1.0

    # Convex in the inverse of the temperature, so that there is one minimum.
    def log_loss(inverse: float) -> float:
        return -log_softmax(logits * inverse, axis=1)[rows, labels].mean()

    found = minimize_scalar(
        log_loss,
        bounds=(1 / _HOTTEST, 1 / _COLDEST),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(1 / found.x)


def calibration(
    labels: Any, logits: Any, temperature: float, *, bins: int = BINS
) -> dict[str, Any]:
    """A model's calibration as it is and divided by a temperature.

    Args:
        labels: Class indices of shape (N,), or one-hot rows.
        logits: As in `classification_metrics`.
        temperature: What `fit_temperature` found on the validation set.
        bins: As in `reliability`.

    Returns:
        `temperature`, and `as_it_is` and `scaled`, each with what `reliability` gives,
        `log_loss` and `brier`.
    """
    return {
        "temperature": temperature,
        "as_it_is": _judged(labels, logits, 1.0, bins),
        "scaled": _judged(labels, logits, temperature, bins),
    }


def _judged(labels: Any, logits: Any, temperature: float, bins: int) -> dict:
    from scipy.special import log_softmax

    logits = class_logits(logits).astype(np.float64) / temperature
    labels = _checked(labels, logits)
    log_probability = log_softmax(logits, axis=1)
    truth = np.eye(logits.shape[1])[labels]
    return {
        **reliability(labels, logits, bins=bins),
        "log_loss": float(-(log_probability * truth).sum(axis=1).mean()),
        "brier": float(((np.exp(log_probability) - truth) ** 2).sum(axis=1).mean()),
    }


def _checked(labels: Any, rows: np.ndarray) -> np.ndarray:
    labels = integer_labels(labels)
    if len(labels) != len(rows) or len(rows) == 0:
        raise DataError(
            f"There are {len(labels)} labels and {len(rows)} rows of logits; "
            "calibration needs one label for each row, and at least one."
        )
    if labels.min() < 0 or labels.max() >= rows.shape[1]:
        raise DataError(
            f"Labels run from {labels.min()} to {labels.max()}, and the logits tell "
            f"{rows.shape[1]} classes apart."
        )
    return labels
