"""Intervals and differences by drawing groups of pictures anew.

Slices of one patient and copies of one picture are right or wrong together. Drawing
them one by one takes them for independent and gives intervals that are too narrow, so
whole groups are drawn (Davison and Hinkley 1997, section 3.8).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kerakd.errors import DataError
from kerakd.evaluation.batches import integer_labels
from kerakd.evaluation.classification import class_logits
from kerakd.evaluation.intervals import wilson_interval

RESAMPLES = 2000
METRICS = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "macro_f2",
    "log_loss",
    "brier",
)
_CHUNK = 2**22  # numbers held at once: resamples times groups


def bootstrap_intervals(
    labels: Any,
    logits: Any,
    groups: Sequence[Any] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Percentile intervals of a model's metrics.

    Where every answer is right (or wrong) each resample says the same; the interval of
    the accuracy is then Wilson's with one observation for each group.

    Args:
        labels: Class indices of shape (N,), or one-hot rows.
        logits: As in `classification_metrics`.
        groups: What each picture belongs to, N values of any kind: a patient, a cluster
            of copies. `None`: every picture stands alone.
        resamples: How often groups are drawn.
        seed: Of the draws.
        confidence: Coverage wanted, between 0 and 1.

    Returns:
        `[low, high]` for each of `METRICS`; and `groups` (their number), `resamples`,
        `confidence`.
    """
    labels, columns, classes, members = _prepare(labels, [logits], groups)
    totals = _group_totals(columns[0], members)
    draws = np.concatenate(
        [
            _metrics(weights @ totals, classes)
            for weights in _draws(members.max() + 1, resamples, seed)
        ]
    )
    found: dict[str, Any] = {
        name: _percentiles(draws[:, k], confidence) for k, name in enumerate(METRICS)
    }
    accuracy = _metrics(totals.sum(axis=0, keepdims=True), classes)[0, 0]
    count = int(members.max()) + 1
    if accuracy in (0.0, 1.0):
        found["accuracy"] = list(wilson_interval(accuracy, count, confidence))
    return found | {
        "groups": count,
        "resamples": resamples,
        "confidence": confidence,
    }


def paired_bootstrap(
    labels: Any,
    logits_a: Any,
    logits_b: Any,
    groups: Sequence[Any] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """How much better model a is than model b on the same pictures.

    Both models are judged on the same draws, so that what makes a picture hard for both
    cancels.

    Args:
        labels: As in `bootstrap_intervals`.
        logits_a: Of the one model.
        logits_b: Of the other.
        groups: As in `bootstrap_intervals`.
        resamples: As there.
        seed: As there.
        confidence: As there.

    Returns:
        For each of `METRICS` a dict with `difference` (a minus b) and `interval`; and
        `groups`, `resamples`, `confidence`.
    """
    labels, columns, classes, members = _prepare(labels, [logits_a, logits_b], groups)
    a, b = (_group_totals(one, members) for one in columns)
    draws = np.concatenate(
        [
            _metrics(weights @ a, classes) - _metrics(weights @ b, classes)
            for weights in _draws(members.max() + 1, resamples, seed)
        ]
    )
    here = [_metrics(one.sum(axis=0, keepdims=True), classes)[0] for one in (a, b)]
    difference = here[0] - here[1]
    found: dict[str, Any] = {
        name: {
            "difference": float(difference[k]),
            "interval": _percentiles(draws[:, k], confidence),
        }
        for k, name in enumerate(METRICS)
    }
    return found | {
        "groups": int(members.max()) + 1,
        "resamples": resamples,
        "confidence": confidence,
    }


def _prepare(
    labels: Any, models: Sequence[Any], groups: Sequence[Any] | None
) -> tuple[np.ndarray, list[np.ndarray], int, np.ndarray]:
    """Labels, a table of additive figures for each model, classes, group numbers."""
    from scipy.special import log_softmax

    labels = integer_labels(labels)
    each = [class_logits(logits) for logits in models]
    counts = {len(labels), *(len(one) for one in each)}
    if groups is not None:
        counts.add(len(groups))
    shapes = {one.shape[1] for one in each}
    if len(counts) > 1 or len(shapes) > 1 or len(labels) == 0:
        raise DataError(
            "Labels, logits and groups must be of the same pictures and classes, and "
            f"at least one; got {sorted(counts)} rows and {sorted(shapes)} classes."
        )
    classes = shapes.pop()
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"Labels run from {labels.min()} to {labels.max()}, and the logits tell "
            f"{classes} classes apart."
        )
    if groups is None:
        members = np.arange(len(labels))
    else:
        members = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    tables = []
    for logits in each:
        # Everything that a metric needs adds up over pictures: the cell of the
        # confusion matrix, the log loss and the Brier score.
        cells = np.zeros((len(labels), classes * classes + 2))
        rows = np.arange(len(labels))
        cells[rows, labels * classes + logits.argmax(axis=1)] = 1
        log_probability = log_softmax(logits.astype(np.float64), axis=1)
        truth = np.eye(classes)[labels]
        cells[:, -2] = -log_probability[rows, labels]
        cells[:, -1] = ((np.exp(log_probability) - truth) ** 2).sum(axis=1)
        tables.append(cells)
    return labels, tables, classes, members


def _group_totals(cells: np.ndarray, members: np.ndarray) -> np.ndarray:
    totals = np.zeros((members.max() + 1, cells.shape[1]))
    np.add.at(totals, members, cells)
    return totals


def _draws(groups: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each group comes in each resample, a chunk of resamples at a time."""
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK // groups)
    share = np.full(groups, 1 / groups)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        yield generator.multinomial(groups, share, size=size).astype(np.float64)


def _metrics(totals: np.ndarray, classes: int) -> np.ndarray:
    """`METRICS` of each row of totals; averages are over the classes that occur."""
    matrix = totals[:, :-2].reshape(-1, classes, classes)
    right = np.einsum("bii->bi", matrix)
    support, named = matrix.sum(axis=2), matrix.sum(axis=1)
    count = support.sum(axis=1)
    present = support > 0

    def mean(values: np.ndarray) -> np.ndarray:
        return np.where(present, values, 0).sum(axis=1) / present.sum(axis=1)

    with np.errstate(invalid="ignore", divide="ignore"):
        recall = right / support
        # F-beta in counts: (1 + b^2) TP / (b^2 support + named).
        f1 = 2 * right / (support + named)
        f2 = 5 * right / (4 * support + named)
    return np.stack(
        [
            right.sum(axis=1) / count,
            mean(recall),
            mean(f1),
            mean(f2),
            totals[:, -2] / count,
            totals[:, -1] / count,
        ],
        axis=1,
    )


def _percentiles(values: np.ndarray, confidence: float) -> list[float]:
    tail = (1 - confidence) / 2
    return [float(one) for one in np.quantile(values, [tail, 1 - tail])]
