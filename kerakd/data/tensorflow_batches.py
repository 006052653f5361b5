"""The batches of an `ImageBatches` as a `tf.data.Dataset`."""

from typing import Any

import numpy as np
import tensorflow as tf

from kerakd.data import stream
from kerakd.data.augment import apply, mix_labels
from kerakd.data.plan import INDEX, PARTNER, of_partners


def batches_from(source: Any, epochs: int, start_step: int) -> tf.data.Dataset:
    """See `ImageBatches.dataset`."""
    count = stream.check_range(start_step, epochs, source.steps_per_epoch)
    first, done = divmod(start_step, source.steps_per_epoch)
    # These names, and not the source: TensorFlow never lets go of a Python function
    # that a dataset calls, and the images would stay in memory with it.
    plan, skipped = source.plan, done * source.batch_size

    def rows_of(epoch):
        positions = plan.order(epoch)[skipped if epoch == first else 0 :]
        return plan.rows(positions, plan.view(epoch))

    def finish(x, rows):
        return _example(source, x, rows)

    epochs_left = tf.data.Dataset.range(first, epochs)
    return _batches(source, epochs_left, rows_of, finish, count)


def at_view(source: Any, view: int, with_index: bool) -> tf.data.Dataset:
    """See `ImageBatches.at_view`."""
    plan, everything = source.plan, np.arange(len(source.samples))

    def rows_of(_):
        return plan.rows(everything, view)

    def finish(x, rows):
        return (x, rows[INDEX]) if with_index else _example(source, x, rows)

    one = tf.data.Dataset.range(1)
    return _batches(source, one, rows_of, finish, source.steps_per_epoch)


def tensors(source: Any) -> dict[str, tf.Tensor]:
    """All images at each size, uint8, sharing the memory of the store."""
    return {
        key: tf.experimental.dlpack.from_dlpack(array.__dlpack__())
        for key, array in source.arrays.items()
    }


def _batches(source: Any, numbers, rows_of, finish, count: int) -> tf.data.Dataset:
    """Rows of each of `numbers`, cut into batches and turned into pixels."""
    example = source.plan.rows(np.arange(1), 0)
    names = list(example)
    types = [column.dtype for column in example.values()]
    size, routed = source.batch_size, source.sizes is not None

    def columns_of(number):
        # One call of Python for an epoch, none for a batch.
        columns = tf.numpy_function(
            lambda n: list(rows_of(int(n)).values()), [number], types
        )
        for name, column in zip(names, columns, strict=True):
            column.set_shape([None, *example[name].shape[1:]])
        return dict(zip(names, columns, strict=True))

    def rows_in_batches(columns):
        return tf.data.Dataset.from_tensor_slices(columns).batch(size)

    images = source.tensors

    def pixels(rows):
        x = {key: _pixels(source, images[key], rows) for key in images}
        return finish(x if routed else x[""], rows)

    options = tf.data.Options()
    options.deterministic = True
    return (
        numbers.map(columns_of)
        .prefetch(1)
        .flat_map(rows_in_batches)
        .map(pixels, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(2)
        .apply(tf.data.experimental.assert_cardinality(count))
        .with_options(options)
    )


def _pixels(source: Any, images: tf.Tensor, rows: dict[str, tf.Tensor]) -> tf.Tensor:
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
