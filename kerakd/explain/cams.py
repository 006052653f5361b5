"""Class activation maps: Grad-CAM, Grad-CAM++, LayerCAM from one pass; Score-CAM.

tf-keras-vis is their reference (`kerakd.explain.reference`, and the tests, which ask
for equal maps to 1e-5). What runs is compiled here, because tf-keras-vis builds a new
model and walks it eagerly at each call: 32 Grad-CAMs of a MobileNetV2-0.35 at 128
pixels took it 6.6 compiled forward passes, and this file 1.0.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from kerakd.explain.network import Network
from kerakd.explain.resizing import normalise, resize_maps

GRADIENT_CAMS = ("gradcam", "gradcam_plus_plus", "layercam")


def gradient_cams(
    network: Network, images: np.ndarray, classes: np.ndarray, region: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Scores, and the raw maps of the three gradient methods, from one pass."""
    ask = network.compiled("gradient_cams", _compile)
    scores, maps = ask(images, classes, region)
    return scores.numpy(), {name: one.numpy() for name, one in maps.items()}


def _compile(network: Network) -> Any:
    @tf.function(input_signature=network.score_signature, autograph=False)
    def cams(images, classes, region):
        scores, features, gradient = network.activations(images, classes, region)
        return scores, {
            "gradcam": _gradcam(features, gradient),
            "gradcam_plus_plus": _gradcam_plus_plus(features, gradient),
            "layercam": _layercam(features, gradient),
        }

    return cams


def _gradcam(features, gradient):
    weights = tf.reduce_mean(gradient, (1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * features, -1))


def _gradcam_plus_plus(features, gradient):
    """With exp(score), a factor common to a whole map, left out.

    The formulas multiply each derivative by exp(score), which is infinite from a logit
    of 89 on; in alpha = e g^2 / (2 e g^2 + e g^3 S) it cancels, and so does g^2.
    """
    total = tf.reduce_sum(features, (1, 2), keepdims=True)
    denominator = 2 + gradient * total
    alphas = tf.where(gradient != 0, tf.math.divide_no_nan(1.0, denominator), 0.0)
    norm = tf.reduce_sum(alphas, (1, 2), keepdims=True)
    alphas = alphas / tf.where(norm == 0, 1.0, norm)
    weights = tf.reduce_sum(tf.nn.relu(gradient) * alphas, (1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * features, -1))


def _layercam(features, gradient):
    return tf.nn.relu(tf.reduce_sum(tf.nn.relu(gradient) * features, -1))


def scorecam(
    network: Network,
    images: np.ndarray,
    classes: np.ndarray,
    region: np.ndarray,
    channels: int | None = 64,
    batch_size: int = 32,
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the classes and raw Score-CAM maps.

    Args:
        network: The network.
        images: As `network.check` gives them.
        classes: int32 (B,).
        region: As `network.targets` gives it.
        channels: How many activation maps are tried: those of each picture that vary
            most, so that a map does not depend on what else is in the batch (the union
            over the batch that tf-keras-vis takes does). `None` for all.
        batch_size: Masked pictures in a pass.
    """
    features_of = network.compiled("features", _compile_features)
    maps = []
    for index, image in enumerate(images):
        activations = features_of(image[None]).numpy()[0]
        if channels is not None and channels < activations.shape[-1]:
            spread = activations.std(axis=(0, 1))
            keep = np.sort(np.argsort(-spread, kind="stable")[:channels])
            activations = activations[..., keep]
        masks = activations.transpose(2, 0, 1)
        masks = normalise(resize_maps(masks, image.shape[:2]))
        weights = np.concatenate(
            [
                _probability_under(network, image, part, classes[index], region[index])
                for part in np.split(masks, range(batch_size, len(masks), batch_size))
            ]
        )
        maps.append(np.maximum(activations @ weights, 0))
    chances = network.probability(images, classes, region)
    return chances, np.stack(maps)


def _compile_features(network: Network) -> Any:
    return tf.function(
        lambda x: network.as_map(network.with_features(x, training=False)[0]),
        input_signature=[network.picture_signature],
        autograph=False,
    )


def _probability_under(network, image, masks, one_class, region) -> np.ndarray:
    count = len(masks)
    return network.probability(
        image[None] * masks[..., None],
        np.full(count, one_class, np.int32),
        np.repeat(region[None], count, 0),
    )
