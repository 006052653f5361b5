"""`tensorflow_labels.py` on arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kerakd.data.stream import Stream


def mapped(stream: Stream, change: Callable) -> Stream:
    """Every batch changed."""
    return stream.map(change)


def one_hot(y: np.ndarray, form: Any) -> np.ndarray:
    """Rows of `form.outputs` numbers."""
    return np.eye(form.outputs, dtype=np.float32)[_indices(y, form)]


def weigh(
    y: np.ndarray, form: Any, weights: np.ndarray, sample_weight: Any = None
) -> np.ndarray:
    """The weight of each label's class, times the sample's own."""
    if form.one_hot:
        weight = np.asarray(y, np.float32) @ weights
    else:
        weight = weights[_indices(y, form)]
    return weight if sample_weight is None else weight * sample_weight


def _indices(y: np.ndarray, form: Any) -> np.ndarray:
    y = np.asarray(y)
    return (y[..., 0] if y.ndim == form.rank else y).astype(np.int32)
