"""Labels of a batch in a `tf.data` map: one-hot, and weighed by their class."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def mapped(dataset: tf.data.Dataset, change: Callable) -> tf.data.Dataset:
    """Every batch changed, in order."""
    dataset = dataset.map(change, tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE)


def one_hot(y: Any, form: Any) -> tf.Tensor:
    """Rows of `form.outputs` numbers."""
    return tf.one_hot(_indices(y, form), form.outputs)


def weigh(y: Any, form: Any, weights: Any, sample_weight: Any = None) -> tf.Tensor:
    """The weight of each label's class, times the sample's own."""
    if form.one_hot:
        # Mixed labels (MixUp, CutMix) get the mixture of the weights.
        weight = tf.linalg.matvec(tf.cast(y, tf.float32), weights)
    else:
        weight = tf.gather(weights, _indices(y, form))
    if sample_weight is None:
        return weight
    return weight * tf.cast(sample_weight, weight.dtype)


def _indices(y: Any, form: Any) -> tf.Tensor:
    if y.shape.rank == form.rank:
        y = tf.squeeze(y, -1)
    return tf.cast(y, tf.int32)
