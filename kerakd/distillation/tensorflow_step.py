"""The train step on TensorFlow: what the gradient tape sees, and what it does not."""

from typing import Any

import tensorflow as tf


def train_step(distiller: Any, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
    """Take one step of the student's optimizer.

    The teachers are asked outside of the tape, so that not one of their activations
    is kept for a gradient.

    Returns:
        `(outputs of the student, losses by name)`.
    """
    answers = distiller.ask_teachers(x)
    with tf.GradientTape() as tape:
        y_pred, features = distiller.study(x)
        losses = distiller.compute_losses(
            y, y_pred, features, answers, sample_weight=sample_weight
        )
        scaled = distiller.optimizer.scale_loss(losses["total_loss"])
    weights = distiller.trainable_weights
    gradients = tape.gradient(scaled, weights)
    distiller.optimizer.apply_gradients(zip(gradients, weights, strict=True))
    return y_pred, losses
