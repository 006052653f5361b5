"""The train step on TensorFlow: what the gradient tape sees, and what it does not."""

from typing import Any

import keras
import tensorflow as tf

from kerakd.distillation import replicas
from kerakd.distillation.train_step import finish


def train_step(distiller: Any, data: Any) -> dict[str, Any]:
    """Take one step of the student's optimizer.

    The teachers are asked outside of the tape, so that not one of their activations
    is kept for a gradient.

    Returns:
        The logs.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    answers = distiller.ask_teachers(x)
    with tf.GradientTape() as tape:
        y_pred, features = distiller.study(x)
        losses = distiller.compute_losses(y, y_pred, features, answers, sample_weight)
        total = replicas.by_samples(losses["total_loss"], replicas.samples(y_pred))
        scaled = distiller.optimizer.scale_loss(total)
    weights = distiller.trainable_weights
    gradients = tape.gradient(scaled, weights)
    distiller.optimizer.apply_gradients(zip(gradients, weights, strict=True))
    losses = replicas.whole(losses)
    return finish(distiller, x, y, y_pred, losses, sample_weight)
