"""A Keras 3 graph, replayed call by call with legacy layers."""

from typing import Any

import keras

# Each enters its translators in the table.
from kerakd.compress.bridge import (  # noqa: F401
    activations,
    convolutions,
    merging,
    normalisation,
    shaping,
)
from kerakd.compress.bridge.scope import Scope
from kerakd.compress.bridge.table import translator
from kerakd.compress.silence import quiet
from kerakd.errors import ModelError
from kerakd.models.graph import Call, calls


def replay(flat: keras.Model) -> tuple[Any, list[tuple[str, Any, Any]]]:
    """The legacy twin of a flat graph, with weights of its own, not yet copied.

    Args:
        flat: A Keras 3 model without models inside.

    Returns:
        The `tf_keras.Model`, and for each call `(operation's name, its first output,
        the legacy one)`.

    Raises:
        ModelError: A layer or option cannot cross; it is named.
    """
    scope = Scope()
    tensors: dict[int, Any] = {}
    pairs = []
    with quiet():
        for x in flat.inputs:
            tensors[id(x)] = scope.input(x)
        for call in calls(flat):
            outputs = keras.tree.flatten(_replay_call(scope, call, tensors))
            for old, new in zip(call.outputs, outputs, strict=True):
                tensors[id(old)] = new
            pairs.append((call.operation.name, call.outputs[0], outputs[0]))
        legacy = scope.keras.Model(
            _packed(flat.input, [tensors[id(x)] for x in flat.inputs]),
            _packed(flat.output, [tensors[id(x)] for x in flat.outputs]),
            name=flat.name,
        )
    return legacy, pairs


def _packed(structure: Any, flat: list) -> Any:
    return keras.tree.pack_sequence_as(structure, flat)


def _replay_call(scope: Scope, call: Call, tensors: dict[int, Any]) -> Any:
    operation = call.operation
    entry = translator(operation)
    args, kwargs = call.node.arguments.fill_in(tensors)
    # Keras 3 overrules a call's own `training` by that of the model's call.
    kwargs.pop("training", None)
    if isinstance(operation, keras.layers.Layer):
        odd = [key for key, value in kwargs.items() if value is not None]
        if odd or len(args) != 1:
            raise ModelError(
                f"The layer {operation.name!r} is called with "
                f"{', '.join(odd) or f'{len(args)} arguments'}, and the bridge "
                "replays calls of one argument: layer(x)."
            )
        kwargs = {}
    try:
        return entry.function(scope, operation, *args, **kwargs)
    except ModelError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{operation.name!r} ({type(operation).__name__}) cannot cross to "
            f"tf_keras: {str(error).strip().splitlines()[0].rstrip('.')}."
        ) from error
