"""Attention rollout of a DeiT."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerakd.errors import ModelError
from kerakd.explain.layers import is_transformer_block
from kerakd.explain.network import Network
from kerakd.models.graph import calls


def has_attention(network: Network) -> bool:
    """Whether the network is a DeiT, whose attention can be read."""
    return any(is_transformer_block(call.operation) for call in calls(network.flat))


def attention_rollout(network: Network, images: np.ndarray) -> np.ndarray:
    """Raw maps (B, h, w), one value for each patch.

    Raises:
        ModelError: The network has no attention to read.
    """
    if not has_attention(network):
        raise ModelError(
            f"Attention rollout is for DeiT; {network.model.name!r} has no transformer "
            "blocks. Use 'gradcam'."
        )
    return network.compiled("rollout", _compile)(images).numpy()


def _compile(network: Network) -> Any:
    flat = network.flat
    blocks = [call for call in calls(flat) if is_transformer_block(call.operation)]
    entering = keras.Model(flat.inputs[0], [call.inputs[0] for call in blocks])
    layers = [call.operation for call in blocks]
    before, height, width = network.features.tokens

    @tf.function(input_signature=[network.picture_signature], autograph=False)
    def roll(images):
        flow = None
        for layer, tokens in zip(layers, entering(images, training=False), strict=True):
            attention = tf.reduce_mean(_attention(layer, tokens), axis=1)
            attention = tf.cast(attention, tf.float32)
            # Half of what a block gives is its input, through the residual connection.
            step = (attention + tf.eye(tf.shape(attention)[-1])) / 2
            step /= tf.reduce_sum(step, -1, keepdims=True)
            flow = step if flow is None else step @ flow
        # From the class and the distillation token to the patches.
        seen = tf.reduce_mean(flow[:, :before, before:], axis=1)
        return tf.reshape(seen, (-1, height, width))

    return roll


def _attention(layer: Any, tokens: Any) -> Any:
    """Attention weights (B, heads, T, T) of a block."""
    x = layer.layer_norm_1(tokens)
    return layer.mha(x, x, return_attention_scores=True, training=False)[1]
