"""Which kernels pruning and clustering reach, and what they made of them."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerakd.compress.bridge.legacy import tf_keras
from kerakd.compress.silence import quiet
from kerakd.errors import RecipeError, nearest
from kerakd.models.graph import flatten, weighted_layers

# TFMOT leaves depthwise kernels alone: they are few numbers and each counts.
_REACHED = ("Conv2D", "Conv2DTranspose", "Dense")


def wrap_kernels(
    legacy: Any, wrapper: Callable[[Any], Any], skip: tuple[str, ...], least: int
) -> tuple[Any, list[str]]:
    """A copy of a legacy network with some of its layers wrapped.

    Args:
        legacy: What `to_tf_keras` returned.
        wrapper: Wraps a layer, or returns it as it is.
        skip: Names of Keras 3 layers that are left alone.
        least: Kernels of fewer numbers are left alone.

    Returns:
        The network, and the names of the layers wrapped, as the student has them.

    Raises:
        RecipeError: A layer to skip is unknown, or no layer is left.
    """
    own = {layer.name: _own_name(layer.name) for layer in legacy.layers}
    for name in skip:
        if name not in own.values():
            raise RecipeError(
                f"`skip` names a layer {name!r} that {legacy.name!r} does not have. "
                f"{nearest(name, set(own.values()))}"
            )
    reached = []

    def wrapped(layer):
        twin = type(layer).from_config(layer.get_config())
        kind = type(layer).__name__
        if (
            kind not in _REACHED
            or own[layer.name] in skip
            or int(np.prod(layer.kernel.shape)) < least
        ):
            return twin
        # Built and filled before it is wrapped: clustering looks at the kernel.
        twin.build(layer.input_shape)
        twin.set_weights(layer.get_weights())
        around = wrapper(twin)
        if around is not twin:
            reached.append(layer)
        return around

    with quiet():
        network = tf_keras().models.clone_model(legacy, clone_function=wrapped)
        names = {layer.name for layer in reached}
        for layer in legacy.layers:
            if layer.weights and layer.name not in names:
                network.get_layer(layer.name).set_weights(layer.get_weights())
    if not reached:
        raise RecipeError(
            f"No kernel of {legacy.name!r} fits and has {least} numbers or more, so "
            "there is nothing to do; skip fewer layers, or take a larger network."
        )
    return network, [own[layer.name] for layer in reached]


def _own_name(name: str) -> str:
    return name.removeprefix("bridge_").split("__")[0]


def kernels(model: keras.Model, names: list[str]) -> dict[str, np.ndarray]:
    """The kernels of named layers of a Keras 3 model, nested ones too."""
    found = {}
    for layer in weighted_layers(flatten(model)):
        if layer.name in names:
            weights = {v.name: v for v in layer.weights}
            kernel = weights.get("pointwise_kernel", weights.get("kernel"))
            found[layer.name] = keras.ops.convert_to_numpy(kernel.value)
    return found
