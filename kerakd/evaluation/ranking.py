"""How well probabilities rank: areas under the ROC and precision-recall curves."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def log_odds(logits: np.ndarray) -> np.ndarray:
    """Log odds of each class, which order pictures as its probability does.

    Probabilities of a sure model round to 1 and tie; their log odds do not.

    Args:
        logits: Shape (N, C), C >= 2.
    """
    from scipy.special import logsumexp

    logits = logits.astype(np.float64)
    others = [
        logsumexp(np.delete(logits, k, axis=1), axis=1) for k in range(logits.shape[1])
    ]
    return logits - np.stack(others, axis=1)


def ranking_metrics(
    labels: np.ndarray,
    scores: np.ndarray,
    class_names: Sequence[str],
    sample_weight: np.ndarray | None = None,
) -> tuple[dict[str, dict[str, float | None]], dict[str, float | None]]:
    """Areas of each class against all others, by scikit-learn.

    The area under the precision-recall curve is the average precision, the sum of
    precisions weighted by the gain in recall: the trapezoid under that curve is too
    optimistic (Davis and Goadrich 2006).

    Args:
        labels: Class indices of shape (N,).
        scores: Shape (N, C), such as `log_odds`; higher means more probable.
        class_names: C names.
        sample_weight: Shape (N,) or `None`.

    Returns:
        By class `roc_auc` and `pr_auc`, `None` for a class that no label names or that
        all name (weight 0 counts as absent); and their means over the other classes as
        `macro_roc_auc` and `macro_pr_auc`.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    per_class = {}
    for index, name in enumerate(class_names):
        truth = labels == index
        found: dict[str, Any] = {"roc_auc": None, "pr_auc": None}
        if weight[truth].sum() > 0 and weight[~truth].sum() > 0:
            score = scores[:, index]
            found = {
                "roc_auc": float(roc_auc_score(truth, score, sample_weight=weight)),
                "pr_auc": float(
                    average_precision_score(truth, score, sample_weight=weight)
                ),
            }
        per_class[name] = found
    means = {}
    for key in ("roc_auc", "pr_auc"):
        known = [one[key] for one in per_class.values() if one[key] is not None]
        means[f"macro_{key}"] = float(np.mean(known)) if known else None
    return per_class, means
