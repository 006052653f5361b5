"""Metrics of a classifier, from its logits."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerakd.errors import DataError, ModelError
from kerakd.evaluation.batches import integer_labels
from kerakd.evaluation.intervals import wilson_interval
from kerakd.evaluation.logits import check_logits
from kerakd.evaluation.ranking import log_odds, ranking_metrics


def class_logits(logits: Any) -> np.ndarray:
    """Logits with one column per class, as float32 of shape (N, C), C >= 2.

    A single output z, whose sigmoid is the probability of class 1, is the pair (0, z):
    the softmax of that pair is the sigmoid of z.
    """
    logits = check_logits(np.asarray(logits))
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    return logits


def probabilities(logits: Any, temperature: float = 1.0) -> np.ndarray:
    """Softmax of logits (sigmoid of a single one), float64 of shape (N, C).

    Args:
        logits: Shape (N, C), or (N, 1) or (N,) of a model with one output.
        temperature: What the logits are divided by first, above 0.
    """
    from scipy.special import softmax

    return softmax(class_logits(logits).astype(np.float64) / temperature, axis=1)


def classification_metrics(
    labels: Any,
    logits: Any,
    class_names: Sequence[str],
    sample_weight: Any = None,
) -> dict[str, Any]:
    """Accuracy, per-class and averaged metrics, areas, confusion matrix, log loss.

    What is undefined is `None`, never 0:

    - Of a class that no label names (support 0): recall, F1 and F2. Such a class is
      left out of every macro average; its confusion row is zeros.
    - Of a class that is never predicted: precision. Its recall, F1 and F2 are 0, and
      in the macro and weighted precision it counts as 0 (as scikit-learn does), since
      leaving it out would reward a model that never names a rare class.
    - Specificity, where every label is of that class; `roc_auc` and `pr_auc` there and
      where no label is.

    Of equal largest logits the first class is the prediction. Log loss is computed from
    the logits, so it stays exact where probabilities round to 0 or 1. The Brier score
    is the original one (Brier 1950), the sum over classes of squared differences: 0 to
    2, and for two classes twice the one-class form.

    Args:
        labels: Class indices of shape (N,), or one-hot rows of shape (N, C).
        logits: Shape (N, C); or (N, 1) or (N,) of a model with one output, for two
            classes.
        class_names: One name for each class; the index is the label.
        sample_weight: Shape (N,), not negative, or `None`. All metrics are weighted;
            the interval then rests on Kish's effective number of samples.

    Returns:
        A dict of plain Python values that JSON can hold: `count`, `accuracy`,
        `accuracy_interval` (95% Wilson interval at the level of images: it takes
        pictures as independent, which slices of one patient and copies are not),
        `balanced_accuracy`, `macro_` and `weighted_` `precision`, `recall`, `f1` and
        `f2`, `macro_specificity`, `macro_roc_auc` and `macro_pr_auc` (each class
        against the others), `log_loss` (nats, the negative log likelihood), `brier`,
        `class_names`, `per_class` (by name: `precision`, `recall` (the sensitivity),
        `specificity`, `f1`, `f2`, `roc_auc`, `pr_auc`, `support`) and
        `confusion_matrix` (rows are the labels, columns the predictions).

    Raises:
        ModelError: The logits have another shape or class count, or are not finite.
        DataError: The labels, names or weights do not fit together.
    """
    names = _checked_names(class_names)
    logits = class_logits(logits)
    if logits.shape[1] != len(names):
        raise ModelError(
            f"The model gives logits for {logits.shape[1]} classes, and the data have "
            f"{len(names)} ({', '.join(names)}); use the model of these classes."
        )
    labels = _checked_labels(labels, len(logits), names)
    weight = _checked_weights(sample_weight, len(labels))

    from scipy.special import log_softmax
    from sklearn.metrics import confusion_matrix

    predicted = logits.argmax(axis=1)
    matrix = confusion_matrix(
        labels, predicted, labels=range(len(names)), sample_weight=weight
    )
    log_probability = log_softmax(logits.astype(np.float64), axis=1)
    truth = np.eye(len(names))[labels]
    accuracy = float(matrix.trace() / matrix.sum())
    scores = _class_metrics(labels, predicted, matrix, names, weight)
    areas, means = ranking_metrics(labels, log_odds(logits), names, weight)
    for name, one in scores["per_class"].items():
        support = one.pop("support")
        one |= {**areas[name], "support": support}
    return {
        "count": len(labels),
        "accuracy": accuracy,
        "accuracy_interval": list(
            wilson_interval(min(accuracy, 1.0), _effective_count(weight, len(labels)))
        ),
        **scores,
        **means,
        "log_loss": _mean(-(log_probability * truth).sum(axis=1), weight),
        "brier": _mean(((np.exp(log_probability) - truth) ** 2).sum(axis=1), weight),
        "class_names": names,
        "confusion_matrix": matrix.tolist(),
    }


def _class_metrics(
    labels: np.ndarray,
    predicted: np.ndarray,
    matrix: np.ndarray,
    names: list[str],
    weight: np.ndarray | None,
) -> dict[str, Any]:
    from sklearn.metrics import precision_recall_fscore_support

    def scores(beta: float) -> tuple[np.ndarray, ...]:
        return precision_recall_fscore_support(
            labels,
            predicted,
            beta=beta,
            labels=range(len(names)),
            sample_weight=weight,
            zero_division=np.nan,
        )[:3]

    precision, recall, f1 = scores(1)
    f2 = scores(2)[2]
    support, named = matrix.sum(axis=1), matrix.sum(axis=0)
    present = support > 0
    f1, f2 = np.where(present, f1, np.nan), np.where(present, f2, np.nan)
    others = matrix.sum() - support
    with np.errstate(invalid="ignore", divide="ignore"):
        specificity = 1 - (named - matrix.diagonal()) / others
    averages = {}
    for kind, share in (
        ("macro", present / present.sum()),
        ("weighted", support / support.sum()),
    ):
        for key, values in (
            ("precision", np.nan_to_num(precision)),
            ("recall", recall),
            ("f1", f1),
            ("f2", f2),
        ):
            averages[f"{kind}_{key}"] = float((values[present] * share[present]).sum())
    defined = specificity[~np.isnan(specificity) & present]
    return {
        "balanced_accuracy": averages["macro_recall"],
        **averages,
        "macro_specificity": float(defined.mean()) if len(defined) else None,
        "per_class": {
            name: {
                "precision": _number(precision[i]),
                "recall": _number(recall[i]),
                "specificity": _number(specificity[i]),
                "f1": _number(f1[i]),
                "f2": _number(f2[i]),
                "support": support[i].item(),
            }
            for i, name in enumerate(names)
        },
    }


def _checked_names(class_names: Sequence[str]) -> list[str]:
    names = [str(name) for name in class_names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or len(names) < 2:
        raise DataError(
            "Metrics need at least two classes, each with a name of its own; got "
            f"{names}."
        )
    return names


def _checked_labels(labels: Any, count: int, names: list[str]) -> np.ndarray:
    labels = integer_labels(labels)
    if len(labels) != count or count == 0:
        raise DataError(
            f"There are {len(labels)} labels and {count} rows of logits; metrics need "
            "one label for each row, and at least one."
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(names):
        raise DataError(
            f"Labels run from {low} to {high}, and {len(names)} class names allow 0 to "
            f"{len(names) - 1}; give the class names of these labels."
        )
    return labels


def _checked_weights(sample_weight: Any, count: int) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, np.float64)
    if (
        weight.shape != (count,)
        or not np.isfinite(weight).all()
        or weight.min() < 0
        or weight.sum() == 0
    ):
        raise DataError(
            f"Sample weights must be {count} finite numbers >= 0 that are not all 0; "
            f"got shape {weight.shape} with values from {weight.min()} to "
            f"{weight.max()}."
        )
    return weight


def _effective_count(weight: np.ndarray | None, count: int) -> float:
    if weight is None:
        return count
    return float(weight.sum() ** 2 / (weight**2).sum())


def _mean(values: np.ndarray, weight: np.ndarray | None) -> float:
    return float(np.average(values, weights=weight))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
