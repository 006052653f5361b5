"""The train step of a network that learns from labels alone, on several devices.

Keras's own divides a replica's loss by the number of replicas, whatever part of the
batch the replica has: of 11 samples on two devices each of the 5 counts more than each
of the 6. On one device Keras's step is left alone.
"""

import functools
from typing import Any

import keras

from kerakd.distillation import replicas


def use_in(model: keras.Model) -> None:
    """Let a model that trains with Keras's step train with this one.

    Args:
        model: The copy for the devices; a step of the model's own is left alone.
    """
    if type(model).train_step is keras.Model.train_step:
        model.train_step = functools.partial(train_step, model)


def train_step(model: keras.Model, data: Any) -> dict[str, Any]:
    """Take one step of the optimizer.

    Args:
        model: What learns, compiled.
        data: A replica's part of a batch, `(x, y)` or `(x, y, sample_weight)`.

    Returns:
        The logs.
    """
    import tensorflow as tf

    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    with tf.GradientTape() as tape:
        y_pred = model(x, training=True)
        loss = model.compute_loss(x, y, y_pred, sample_weight, training=True)
        samples = replicas.samples(y_pred)
        scaled = model.optimizer.scale_loss(replicas.by_samples(loss, samples))
    weights = model.trainable_weights
    gradients = tape.gradient(scaled, weights)
    model.optimizer.apply_gradients(zip(gradients, weights, strict=True))
    track_loss(model, loss, samples)
    return model.compute_metrics(*replicas.counted((x, y, y_pred, sample_weight)))


def test_step(model: keras.Model, data: Any) -> None:
    """Add a replica's part of a batch to what validation measures."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    y_pred = model(x, training=False)
    loss = model.compute_loss(x, y, y_pred, sample_weight, training=False)
    track_loss(model, loss, replicas.samples(y_pred))
    model.compute_metrics(*replicas.counted((x, y, y_pred, sample_weight)))


def track_loss(model: keras.Model, loss: Any, samples: Any) -> None:
    """Average a replica's loss over the samples that it has."""
    whole = replicas.whole({"loss": loss})["loss"]
    model._loss_tracker.update_state(whole, sample_weight=samples)
