"""Gradients at the pixels: saliency and SmoothGrad."""

import numpy as np

from kerakd.errors import RecipeError
from kerakd.explain.network import Network


def saliency(
    network: Network, images: np.ndarray, classes: np.ndarray, region: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and the largest absolute gradient over the channels."""
    scores, gradient = network.input_gradient(images, classes, region)
    return scores.numpy(), np.abs(gradient.numpy()).max(-1)


def smoothgrad(
    network: Network,
    images: np.ndarray,
    classes: np.ndarray,
    region: np.ndarray,
    samples: int = 16,
    noise: float = 0.2,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and the mean saliency of noisy copies.

    The noise is the same for every picture but for its size, so that a map does not
    depend on what else is in the batch.
    """
    if samples < 1 or not noise >= 0:
        raise RecipeError(
            f"SmoothGrad needs at least 1 sample and noise of at least 0; got "
            f"{samples} and {noise}."
        )
    generator = np.random.Generator(np.random.Philox(seed))
    spread = noise * np.ptp(images, axis=(1, 2, 3), keepdims=True)
    total = 0
    for _ in range(samples):
        drawn = generator.standard_normal(images.shape[1:], np.float32)
        _, gradient = network.input_gradient(images + spread * drawn, classes, region)
        total = total + np.abs(gradient.numpy())
    scores = network.score(images, classes, region)
    return scores, (total / samples).max(-1)
