"""The train step on PyTorch: what `backward` goes through, and what it does not."""

from typing import Any

import keras
import torch

from kerakd.distillation.train_step import finish


def train_step(distiller: Any, data: Any) -> dict[str, Any]:
    """Take one step of the student's optimizer.

    The teachers are asked without a graph, so that not one of their activations is
    kept for a gradient.

    Returns:
        The logs.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    with torch.no_grad():
        answers = distiller.ask_teachers(x)
    distiller.zero_grad()
    y_pred, features = distiller.study(x)
    losses = distiller.compute_losses(y, y_pred, features, answers, sample_weight)
    distiller.optimizer.scale_loss(losses["total_loss"]).backward()
    weights = distiller.trainable_weights
    with torch.no_grad():
        gradients = [weight.value.grad for weight in weights]
        distiller.optimizer.apply(gradients, weights)
        return finish(distiller, x, y, y_pred, losses, sample_weight)
