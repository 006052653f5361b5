"""Weights over the bridge, there and back."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerakd.compress.bridge.scope import legacy_name
from kerakd.compress.bridge.table import translator
from kerakd.errors import ModelError
from kerakd.models.graph import calls, original

# TFMOT wraps a layer in one that has the layer's name behind one of these.
_WRAPPERS = ("", "quant_", "prune_low_magnitude_", "cluster_")


def pairs(flat: keras.Model, legacy: Any) -> Iterator[tuple[Any, Any]]:
    """Each weight of a flat Keras 3 model with the legacy variable that stands for it.

    Args:
        flat: A Keras 3 model without models inside.
        legacy: Its twin, wrapped by TFMOT or not.

    Yields:
        `(Keras 3 variable, legacy variable)`.

    Raises:
        ModelError: A layer or weight is not there, or has another shape.
    """
    layers = {layer.name: layer for layer in legacy.layers}
    seen = set()
    for call in calls(flat):
        owner = call.operation
        if id(original(owner)) in seen or not getattr(owner, "weights", None):
            continue
        seen.add(id(original(owner)))
        if type(owner).__name__ == "Normalization":
            continue  # constants there, and they do not change
        where = translator(owner).weights
        for variable in owner.weights:
            if "seed_generator" in variable.path:
                continue
            suffix, name = where.get(variable.name, ("", variable.name))
            found = _find(layers, legacy_name(owner.name, suffix), name)
            if found is None or tuple(found.shape) != tuple(variable.shape):
                raise ModelError(
                    f"The weight {name!r} of layer {owner.name!r} is "
                    f"{'absent' if found is None else f'of shape {found.shape}'} in "
                    f"the tf_keras model {legacy.name!r}; give the twin that "
                    "to_tf_keras made of this model."
                )
            yield variable, found


def _find(layers: dict[str, Any], layer: str, name: str) -> Any:
    for wrapper in _WRAPPERS:
        if wrapper + layer in layers:
            for variable in layers[wrapper + layer].weights:
                if variable.name.split(":")[0].split("/")[-1] == name:
                    return variable
    return None


def carry_over(flat: keras.Model, legacy: Any) -> None:
    """Copy the weights of a Keras 3 model into its legacy twin."""
    for variable, twin in pairs(flat, legacy):
        twin.assign(keras.ops.convert_to_numpy(variable.value))


def carry_back(flat: keras.Model, legacy: Any) -> None:
    """Copy the weights of a legacy twin into the Keras 3 model."""
    found = [(variable, np.asarray(twin)) for variable, twin in pairs(flat, legacy)]
    for variable, value in found:
        variable.assign(value)
