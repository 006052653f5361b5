"""The batches of an `ImageBatches` as a `tf.data.Dataset`."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from kerakd.data import stream
from kerakd.data.augment import apply, mix_labels
from kerakd.data.plan import INDEX, PARTNER, of_partners
from kerakd.data.rows import Rows


def batches_from(source: Any, epochs: int, start_step: int) -> tf.data.Dataset:
    """See `ImageBatches.dataset`."""
    count = stream.check_range(start_step, epochs, source.steps_per_epoch)
    first, done = divmod(start_step, source.steps_per_epoch)
    plan = source.plan
    rows = Rows(plan, plan.order, plan.view, source.batch_size)
    finish = functools.partial(_example, source)
    return in_batches(rows, range(first, epochs), done, _pixels(source, finish), count)


def at_view(source: Any, view: int, with_index: bool) -> tf.data.Dataset:
    """See `ImageBatches.at_view`."""
    everything = np.arange(len(source.samples))
    rows = Rows(source.plan, lambda _: everything, lambda _: view, source.batch_size)

    def finish(x, drawn):
        return (x, drawn[INDEX]) if with_index else _example(source, x, drawn)

    count = source.steps_per_epoch
    return in_batches(rows, range(1), 0, _pixels(source, finish), count)


def in_batches(
    rows: Rows, epochs: range, done: int, pixels: Callable, count: int
) -> tf.data.Dataset:
    """The rows of some epochs, cut into batches and turned into pixels.

    Args:
        rows: TensorFlow never lets go of a Python function that a dataset calls; what
            this holds, no images at best, stays in memory.
        epochs: Their numbers.
        done: Batches of the first epoch to leave out.
        pixels: Makes what a batch is of its rows.
        count: How many batches there are.
    """
    example = rows.plan.rows(np.arange(1), 0)
    names, types = list(example), [column.dtype for column in example.values()]
    block = rows.block

    def positions(epoch):
        found = tf.numpy_function(lambda e: rows.order(int(e)), [epoch], tf.int64)
        found.set_shape([None])
        start = tf.where(epoch == epochs.start, done * rows.batch_size, 0)
        return found[start:], epoch

    def blocks(positions, epoch):
        starts = tf.data.Dataset.range(0, tf.size(positions, tf.int64), block)
        return starts.map(lambda start: (positions[start : start + block], epoch))

    def columns(positions, epoch):
        # One call of Python for a block, none for a batch.
        found = tf.numpy_function(
            lambda p, e: list(rows.drawn(p, int(e)).values()), [positions, epoch], types
        )
        for name, column in zip(names, found, strict=True):
            column.set_shape([None, *example[name].shape[1:]])
        return dict(zip(names, found, strict=True))

    def batches(columns):
        return tf.data.Dataset.from_tensor_slices(columns).batch(rows.batch_size)

    options = tf.data.Options()
    options.deterministic = True
    return (
        tf.data.Dataset.range(epochs.start, epochs.stop)
        .map(positions)
        .flat_map(blocks)
        .map(columns)
        .prefetch(1)
        .flat_map(batches)
        .map(pixels, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(2)
        .apply(tf.data.experimental.assert_cardinality(count))
        .with_options(options)
    )


def tensors(source: Any) -> dict[str, tf.Tensor]:
    """All images at each size, uint8, sharing the memory of the store."""
    return {
        key: tf.experimental.dlpack.from_dlpack(array.__dlpack__())
        for key, array in source.arrays.items()
    }


def _pixels(source: Any, finish: Callable) -> Callable:
    """A function that makes a batch of rows; `finish` adds what is no picture."""
    images, routed = source.tensors, source.sizes is not None

    def pixels(drawn):
        x = {key: _applied(source, images[key], drawn) for key in images}
        return finish(x if routed else x[""], drawn)

    return pixels


def _applied(source: Any, images: tf.Tensor, rows: dict[str, tf.Tensor]) -> tf.Tensor:
    own = tf.gather(images, rows[INDEX])
    if not source.mixes:
        return apply(source.augment, rows, own)
    partners = tf.gather(images, rows[PARTNER])
    return apply(source.augment, rows, own, of_partners(rows), partners)


def _example(source: Any, x, rows: dict[str, tf.Tensor]) -> tuple:
    labels, classes = source.labels, len(source.class_names)
    y = _looked_up(source, labels, rows, classes if source.one_hot else None)
    weights = source.weights_of_classes
    if weights is None:
        return x, y
    return x, y, _looked_up(source, weights[labels], rows)


def _looked_up(source: Any, values, rows, classes: int | None = None) -> tf.Tensor:
    """Values of the samples of a batch, mixed as their images are."""

    def of(positions):
        found = tf.gather(tf.constant(values), positions)
        return found if classes is None else tf.one_hot(found, classes)

    own = of(rows[INDEX])
    return mix_labels(own, of(rows[PARTNER]), rows) if source.mixes else own
