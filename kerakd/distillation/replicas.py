"""Shares of a loss on the devices of a `tf.distribute` strategy.

Keras divides each of its losses by the number of replicas, since gradients are added up
over them. That is right where every replica has as many samples; the last batch of an
epoch may not come out even.
"""

from typing import Any

import keras


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
