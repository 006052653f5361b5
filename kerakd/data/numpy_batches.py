"""The batches of an `ImageBatches` as NumPy arrays, without TensorFlow."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from kerakd.data import stream
from kerakd.data.augment.numpy_applying import apply, mix_labels
from kerakd.data.plan import INDEX, PARTNER, of_partners


def batches_from(source: Any, epochs: int, start_step: int) -> stream.Stream:
    """What `ImageBatches.dataset` gives, as a `Stream`."""
    count = stream.check_range(start_step, epochs, source.steps_per_epoch)
    size, plan = source.batch_size, source.plan

    # Threads may stand at the end of one epoch and at the start of the next.
    @lru_cache(maxsize=2)
    def rows_of(epoch):
        return plan.rows(plan.order(epoch), plan.view(epoch))

    def batch_of(step):
        epoch, number = divmod(step, source.steps_per_epoch)
        return _example(source, *_pictured(source, rows_of(epoch), number, size))

    return stream.Stream(batch_of, start_step, count)


def at_view(source: Any, view: int, with_index: bool) -> stream.Stream:
    """What `ImageBatches.at_view` gives, as a `Stream`."""
    rows = source.plan.rows(np.arange(len(source.samples)), view)

    def batch_of(number):
        x, part = _pictured(source, rows, number, source.batch_size)
        return (x, part[INDEX]) if with_index else _example(source, x, part)

    return stream.Stream(batch_of, 0, source.steps_per_epoch)


def _pictured(source: Any, rows: dict, number: int, size: int) -> tuple[Any, dict]:
    """Pictures of one batch, and what was drawn for them."""
    part = {name: column[number * size :][:size] for name, column in rows.items()}
    x = {key: _pixels(source, array, part) for key, array in source.arrays.items()}
    return (x[""] if source.sizes is None else x), part


def _pixels(source: Any, images: np.ndarray, rows: dict) -> np.ndarray:
    own = images[rows[INDEX]]
    if not source.mixes:
        return apply(source.augment, rows, own)
    return apply(source.augment, rows, own, of_partners(rows), images[rows[PARTNER]])


def _example(source: Any, x: Any, rows: dict) -> tuple:
    labels = source.labels

    def label_of(positions):
        found = labels[positions]
        return np.eye(len(source.class_names))[found] if source.one_hot else found

    y = _mixed(source, label_of, rows)
    y = y.astype(np.float32 if source.one_hot else labels.dtype)
    weights = source.weights_of_classes
    if weights is None:
        return x, y
    return x, y, _mixed(source, lambda positions: weights[labels[positions]], rows)


def _mixed(source: Any, value_of: Callable, rows: dict) -> np.ndarray:
    """Values of the samples of a batch, mixed as their images are."""
    own = value_of(rows[INDEX])
    if not source.mixes:
        return own
    return mix_labels(own, value_of(rows[PARTNER]), rows)
