"""Shares of a loss on the devices of a `tf.distribute` strategy.

Keras divides each of its losses by the number of replicas, since gradients are added up
over them. That is right where every replica has as many samples; the last batch of an
epoch may not come out even.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

_step = threading.local()


def count() -> int:
    """Replicas that take a step together; 1 outside of a strategy."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def share(value: Any) -> Any:
    """A replica's share of a number that is the same on all of them."""
    return value / count() if count() > 1 else value


def whole(losses: dict[str, Any]) -> dict[str, Any]:
    """Losses as they would be if this replica were alone."""
    replicas = count()
    if replicas == 1:
        return losses
    return {name: value * replicas for name, value in losses.items()}


@contextmanager
def counting(rows: Any) -> Iterator[None]:
    """Within it the first `rows` samples of a batch count, and the others do not.

    A replica that has no sample of a small batch takes one all the same, since oneDNN
    computes nothing of an empty batch, and counts none.

    Args:
        rows: An integer scalar.
    """
    before = getattr(_step, "rows", None)
    _step.rows = rows
    try:
        yield
    finally:
        _step.rows = before


def samples(outputs: Any) -> Any:
    """How many samples of this replica's batch count, an integer scalar.

    Args:
        outputs: Tensors whose first axis is the batch's.
    """
    rows = getattr(_step, "rows", None)
    if rows is not None:
        return rows
    return keras.ops.shape(keras.tree.flatten(outputs)[0])[0]


def counted(values: Any) -> Any:
    """The samples that count, of tensors whose first axis is the batch's."""
    rows = getattr(_step, "rows", None)
    if rows is None:
        return values
    return keras.tree.map_structure(lambda t: None if t is None else t[:rows], values)


def by_samples(share: Any, samples: Any) -> Any:
    """A replica's share of the loss, by how many of the step's samples are its own.

    Added up over the replicas, it gives the mean over all samples.

    Args:
        share: The replica's loss, divided by the number of replicas.
        samples: How many samples it has, an integer scalar.
    """
    replicas = count()
    if replicas == 1:
        return share
    import tensorflow as tf

    own = tf.cast(samples, share.dtype)
    context = tf.distribute.get_replica_context()
    everyones = context.all_reduce(tf.distribute.ReduceOp.SUM, own)
    # A replica without samples has a loss that is no number.
    return tf.where(own > 0, share * own * replicas / everyones, tf.zeros_like(share))
