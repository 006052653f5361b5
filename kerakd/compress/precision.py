"""A float32 twin of a model that trained under mixed precision."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kerakd.errors import ModelError

if TYPE_CHECKING:
    import keras

_REDUCED = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


def in_float32(model: "keras.Model") -> "keras.Model":
    """The model with every layer computing in float32.

    Variables are float32 under mixed precision already, so only the policies of the
    layers change. The user's model is not touched: its layers are rebuilt from their
    configurations and given the same weights.

    Args:
        model: A functional model with one input and one output.

    Returns:
        `model` itself where it computes in float32 already, else a twin.

    Raises:
        ModelError: A layer cannot be rebuilt from its configuration.
    """
    import keras

    layers = list(model._flatten_layers(include_self=False))
    computing = [layer for layer in layers if not isinstance(layer, keras.Model)]
    if not any(layer.compute_dtype in _REDUCED for layer in computing):
        return model
    # A fresh model of the same graph carries no compile() settings, which
    # clone_model would try to rebuild too.
    graph = keras.Model(model.input, model.output, name=model.name)
    classes = {type(layer).__name__: type(layer) for layer in layers}
    with _float32_policy(), keras.utils.custom_object_scope(classes):
        try:
            twin = keras.models.clone_model(graph, clone_function=_rebuild)
        except (TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"Cannot rebuild model {model.name!r} in float32 "
                f"({str(error).strip().splitlines()[0]}); give its custom layers a "
                "complete get_config(), or load it under the float32 policy."
            ) from error
    for layer in graph.layers:
        if layer.weights:
            twin.get_layer(layer.name).set_weights(layer.get_weights())
    return twin


def _rebuild(layer: "keras.Layer") -> "keras.Layer":
    """A new layer of the same configuration, computing in float32."""
    return type(layer).from_config(_to_float32(layer.get_config()))


def _to_float32(config: Any) -> Any:
    """A configuration with every reduced dtype or policy in it made float32."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return "float32"
        return {
            key: "float32"
            if key == "dtype" and value in _REDUCED
            else _to_float32(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_to_float32(value) for value in config)
    return config


@contextmanager
def _float32_policy() -> Iterator[None]:
    """The global policy, which nested models take up, is float32 in the block."""
    import keras

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
