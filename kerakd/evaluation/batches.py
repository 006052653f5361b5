"""One way to walk over the forms in which labelled pictures come."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from kerakd.errors import DataError

ROUTES = frozenset({"student", "teacher"})


def labelled_batches(
    data: Any, batch_size: int = 32
) -> Iterator[tuple[Any, np.ndarray, np.ndarray | None]]:
    """Walk over `data` once, in batches.

    Args:
        data: A `tf.data.Dataset` (or other iterable) of `(x, y)` or
            `(x, y, sample_weight)` batches, a `keras.utils.PyDataset`, a
            `kerakd.data.ImageBatches`, or a tuple `(x, y)` or `(x, y, sample_weight)`
            of arrays. A dataset of single pictures is read picture by picture.
        batch_size: Pictures at a time where `data` are arrays.

    Yields:
        `(x, labels, weights)`: x as it came (a dict stays a dict), labels of shape
        (B,) and dtype int64, weights of shape (B,) and dtype float64 or `None`.

    Raises:
        DataError: `data` are none of these, never end, or carry labels that are not
            class indices.
    """
    for batch in _source(data, batch_size):
        if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
            raise DataError(
                "Evaluation needs batches (pictures, labels) or (pictures, labels, "
                f"sample weights); got {_form(batch)}."
            )
        x, y = batch[0], _array(batch[1])
        weights = None if len(batch) == 2 else _array(batch[2])
        pictures = _array_shape(next(iter(x.values())) if isinstance(x, dict) else x)
        if y.ndim == 0:
            if isinstance(x, dict):
                x = {k: _array(v)[None] for k, v in x.items()}
            else:
                x = _array(x)[None]
            y, pictures = y[None], (1, *pictures)
        labels = integer_labels(y)
        if len(labels) != pictures[0]:
            raise DataError(
                f"A batch has {pictures[0]} pictures and {len(labels)} labels; "
                "give one label for each picture."
            )
        if weights is not None:
            weights = np.asarray(weights, np.float64).reshape(-1)
        yield x, labels, weights


def table_order(data: Any) -> np.ndarray | None:
    """Row k of `data` is this row of its table; `None` where the order is its own.

    A shuffled `ImageBatches` would otherwise give logits that no longer stand beside
    `data.samples.ids`.
    """
    if hasattr(data, "dataset") and hasattr(data, "order"):
        return np.asarray(data.order(0))
    return None


def route(x: Any, key: str) -> Any:
    """The pictures meant for one network, where x holds them by routing key.

    Args:
        x: An array, or a dict. A dict with other keys than `"student"` and
            `"teacher"` is a model's own named inputs and is left alone.
        key: `"student"` or `"teacher"`.
    """
    if isinstance(x, dict) and x and set(x) <= ROUTES:
        if key not in x:
            raise DataError(
                f"The pictures come under {sorted(x)} and {key!r} is not among them."
            )
        return x[key]
    return x


def integer_labels(y: Any) -> np.ndarray:
    """Class indices from integer, column or one-hot labels.

    Args:
        y: Labels of shape (B,), (B, 1), or (B, C) with a single one in each row.

    Returns:
        int64 array of shape (B,).

    Raises:
        DataError: The labels are text, fractions, or mixed (MixUp, CutMix, smoothing).
    """
    y = np.asarray(y)
    if y.dtype.kind not in "iufb" or y.ndim not in (1, 2):
        raise DataError(
            "Labels must be class indices of shape (batch,) or one-hot rows of shape "
            f"(batch, classes); got {y.dtype} of shape {y.shape}."
        )
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2:
        if not (np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()):
            raise DataError(
                "The labels are mixtures of classes (MixUp, CutMix or label smoothing);"
                " evaluate on data without them."
            )
        return y.argmax(axis=1)
    indices = y.astype(np.int64)
    if not (indices == y).all():
        raise DataError(
            "Labels must be whole class indices; got fractions such as "
            f"{y[indices != y][0]:g}."
        )
    return indices


def _source(data: Any, batch_size: int) -> Iterator[Any]:
    if callable(getattr(data, "dataset", None)):
        data = data.dataset()
    if isinstance(data, tuple):
        yield from _slices(data, batch_size)
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        # A list of batches, or a keras.utils.PyDataset, which has no end of its own.
        for index in range(len(data)):
            yield data[index]
    elif hasattr(data, "__iter__"):
        if hasattr(data, "cardinality") and int(data.cardinality()) == -1:
            raise DataError(
                "The dataset repeats without end; give one that is walked over once, "
                "such as dataset.take(steps)."
            )
        yield from data
    else:
        raise DataError(
            "Evaluation needs a tf.data.Dataset, an ImageBatches or a tuple (pictures, "
            f"labels); got {_form(data)}."
        )


def _slices(arrays: tuple, batch_size: int) -> Iterator[tuple]:
    if len(arrays) not in (2, 3):
        raise DataError(
            "Arrays to evaluate on come as (pictures, labels) or (pictures, labels, "
            f"sample weights); got a tuple of {len(arrays)}."
        )
    x = arrays[0]
    count = len(next(iter(x.values()))) if isinstance(x, dict) else len(x)
    others = [np.asarray(a) for a in arrays[1:]]
    for name, other in zip(("labels", "sample weights"), others, strict=False):
        if other.ndim == 0 or len(other) != count:
            raise DataError(
                f"There are {count} pictures and {other.shape[:1] or 'no'} {name}; "
                "give one for each picture."
            )
    for start in range(0, count, batch_size):
        rows = slice(start, start + batch_size)
        part = {k: v[rows] for k, v in x.items()} if isinstance(x, dict) else x[rows]
        yield (part, *(other[rows] for other in others))


def _array(value: Any) -> np.ndarray:
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


def _array_shape(value: Any) -> tuple[int, ...]:
    return tuple(getattr(value, "shape", np.shape(value)))


def _form(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
