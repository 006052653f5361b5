"""Which batch normalisations a network in inference can do without.

A convolution followed by batch normalisation with fixed statistics is a convolution
with other weights (Jacob et al. 2018, https://arxiv.org/abs/1712.05877, section 3.2).
"""

from collections import Counter
from collections.abc import Iterable

import keras
import numpy as np

from kerakd.models.graph import calls, is_functional, original, producer

# The axis of the kernel that holds the output's channels; two where it is spread.
_CHANNELS = {
    keras.layers.Conv2D: (-1,),
    keras.layers.Dense: (-1,),
    keras.layers.Conv2DTranspose: (2,),
    keras.layers.DepthwiseConv2D: (2, 3),
}


class Folded(keras.layers.Layer):
    """Stands where a batch normalisation was, under its name; gives what it is given.

    Args:
        **kwargs: Of `keras.layers.Layer`.
    """

    def call(self, inputs, mask=None, training=None):
        return inputs


def foldable(
    model: keras.Model, kept: Iterable[str] = ()
) -> dict[keras.Layer, keras.layers.BatchNormalization]:
    """Layers whose batch normalisation can go into their kernel and bias.

    Those are convolutions and dense layers without an activation of their own, called
    once, read by nothing but a batch normalisation that is called once as well.

    Args:
        model: A functional or Sequential model; nested ones are looked into.
        kept: Names of layers whose own output is still wanted, plain or
            `"outer/inner"`.

    Returns:
        Each such layer with its batch normalisation.
    """
    graph = calls(model)
    read = Counter(id(x) for call in graph for x in call.inputs)
    read.update(id(x) for x in model.outputs)
    called = Counter(id(original(call.operation)) for call in graph)
    names = {name.rsplit("/", 1)[-1] for name in kept}
    found = {}
    for call in graph:
        after = call.operation
        if is_functional(after):
            # What is called twice is one layer with two places.
            if called[id(after)] == 1:
                found |= foldable(after, kept)
            continue
        if type(after) is not keras.layers.BatchNormalization or len(call.inputs) != 1:
            continue
        if any(call.inputs[0] is x for x in model.inputs):
            continue
        before = producer(call.inputs[0]).operation
        once = called[id(original(before))] == called[id(original(after))] == 1
        if (
            type(before) in _CHANNELS
            and once
            and read[id(call.inputs[0])] == 1
            and before.name not in names
            and before.activation is keras.activations.linear
            and getattr(before, "data_format", "channels_last") == "channels_last"
            and after.axis in (-1, len(call.inputs[0].shape) - 1)
            and not call.node.arguments.kwargs.get("training")
        ):
            found[before] = after
    return found


def folded_weights(
    layer: keras.Layer, normalisation: keras.layers.BatchNormalization
) -> list[np.ndarray]:
    """Kernel and bias of a layer that computes both.

    Args:
        layer: One of `foldable`'s.
        normalisation: Its batch normalisation.

    Returns:
        `[kernel, bias]`, float32.
    """
    mean, variance = _array(normalisation.moving_mean), normalisation.moving_variance
    scale = 1 / np.sqrt(_array(variance) + normalisation.epsilon)
    if normalisation.scale:
        scale = scale * _array(normalisation.gamma)
    offset = _array(normalisation.beta) if normalisation.center else 0.0
    kernel = _array(layer.kernel)
    bias = _array(layer.bias) if layer.use_bias else 0.0
    axes = _CHANNELS[type(layer)]
    shape = [1] * kernel.ndim
    for axis in axes:
        shape[axis] = kernel.shape[axis]
    return [kernel * scale.reshape(shape), (bias - mean) * scale + offset]


def _array(value) -> np.ndarray:
    return keras.ops.convert_to_numpy(value).astype("float32")
