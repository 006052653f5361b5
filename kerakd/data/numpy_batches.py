"""The batches of an `ImageBatches` as NumPy arrays, without TensorFlow."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kerakd.data import stream
from kerakd.data.augment.numpy_applying import apply, mix_labels
from kerakd.data.plan import INDEX, PARTNER, of_partners
from kerakd.data.rows import Rows


def batches_from(source: Any, epochs: int, start_step: int) -> stream.Stream:
    """What `ImageBatches.dataset` gives, as a `Stream`."""
    count = stream.check_range(start_step, epochs, source.steps_per_epoch)
    plan = source.plan
    rows_of = Rows(plan, plan.order, plan.view, source.batch_size).reader()

    def batch_of(step):
        rows = rows_of(*divmod(step, source.steps_per_epoch))
        return _example(source, _pictured(source, rows), rows)

    return stream.Stream(batch_of, start_step, count)


def at_view(source: Any, view: int, with_index: bool) -> stream.Stream:
    """What `ImageBatches.at_view` gives, as a `Stream`."""
    everything = np.arange(len(source.samples))
    rows = Rows(source.plan, lambda _: everything, lambda _: view, source.batch_size)
    rows_of = rows.reader()

    def batch_of(number):
        drawn = rows_of(0, number)
        x = _pictured(source, drawn)
        return (x, drawn[INDEX]) if with_index else _example(source, x, drawn)

    return stream.Stream(batch_of, 0, source.steps_per_epoch)


def _pictured(source: Any, rows: dict) -> Any:
    """Pictures of one batch."""
    x = {key: _pixels(source, array, rows) for key, array in source.arrays.items()}
    return x[""] if source.sizes is None else x


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
