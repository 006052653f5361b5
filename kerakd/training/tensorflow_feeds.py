"""What feeds a training through tf.data: a user's dataset, and arrays in memory."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerakd.errors import DataError
from kerakd.training.feeding import Feed


def exactly(dataset: tf.data.Dataset, steps: int) -> tf.data.Dataset:
    """A dataset that says how many batches it has."""
    return dataset.apply(tf.data.experimental.assert_cardinality(steps))


def batches_of_arrays(feed: Any, start: int, steps: int) -> tf.data.Dataset:
    """Batches of arrays in an order that is a function of seed and epoch alone.

    Args:
        feed: Has `tensors`, `count`, `batch_size`, `shuffle`, `seed` and
            `steps_per_epoch`.
        start: The first batch, counted over all epochs.
        steps: How many.
    """
    first, skipped = divmod(start, feed.steps_per_epoch)
    epochs = -(-(skipped + steps) // feed.steps_per_epoch)
    tensors, count, size = feed.tensors, feed.count, feed.batch_size
    seed, shuffle = feed.seed, feed.shuffle

    def order(epoch):
        rows = tf.range(count, dtype=tf.int64)
        if shuffle:
            rows = tf.random.experimental.stateless_shuffle(
                rows, seed=tf.stack([tf.constant(seed, tf.int64), epoch])
            )
        return tf.data.Dataset.from_tensor_slices(rows).batch(size)

    def gather(index):
        return keras.tree.map_structure(lambda t: tf.gather(t, index), tensors)

    dataset = tf.data.Dataset.range(first, first + epochs).flat_map(order)
    dataset = dataset.skip(skipped).take(steps)
    dataset = dataset.map(gather, tf.data.AUTOTUNE, deterministic=True)
    return exactly(dataset.prefetch(tf.data.AUTOTUNE), steps)


class DatasetFeed(Feed):
    """A `tf.data.Dataset` of batches.

    Its earlier epochs are walked through again on a resume: only so does a seeded
    shuffle go on where it was.
    """

    def __init__(self, dataset: tf.data.Dataset):
        self._dataset = dataset
        steps = int(dataset.cardinality())
        if steps == tf.data.INFINITE_CARDINALITY:
            raise DataError(
                "The dataset repeats without end; give one epoch of it, such as "
                "dataset.take(steps)."
            )
        if steps == tf.data.UNKNOWN_CARDINALITY:
            steps = int(dataset.reduce(np.int64(0), lambda count, *_: count + 1))
        if not steps:
            raise DataError("There is nothing to train on: the dataset is empty.")
        self.steps_per_epoch = steps
        # Looking into a shuffled dataset changes the order that comes next. So each
        # training looks once, a resumed one too, and remembers.
        self._first = next(iter(dataset))
        self.description = {
            "kind": "tf.data.Dataset",
            "steps_per_epoch": steps,
            "elements": str(dataset.element_spec),
        }

    def stream(self, start: int, steps: int) -> tf.data.Dataset:
        epochs = -(-(start + steps) // self.steps_per_epoch)
        dataset = self._dataset.repeat(epochs).skip(start).take(steps)
        return exactly(dataset, steps)

    def first(self) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors(self._first)
