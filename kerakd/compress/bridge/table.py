"""The table of translators: which Keras 3 operation is replayed by which function."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras

from kerakd.compress.bridge.legacy import tf_keras
from kerakd.errors import ModelError

# Said of every layer and dealt with elsewhere: names are prefixed, the bridge computes
# in float32, `trainable` is carried over, and weights are copied, not drawn.
_EVERYWHERE = {"name", "dtype", "trainable", "autocast"}


class Translator(NamedTuple):
    """How one kind of operation crosses.

    Attributes:
        function: `function(scope, operation, *inputs)` gives the legacy outputs.
        weights: For each weight's name, the suffix of the legacy layer that holds it
            and its name there. A weight that is absent here keeps its name.
    """

    function: Callable[..., Any]
    weights: Mapping[str, tuple[str, str]]


_LAYERS: dict[str, Translator] = {}
_OPERATIONS: dict[str, Translator] = {}


def layer(*names: str, weights: Mapping[str, tuple[str, str]] | None = None):
    """Enter a function in the table, for layers of these classes."""
    return _enter(_LAYERS, names, weights)


def operation(*names: str):
    """Enter a function in the table, for `keras.ops` operations of these classes."""
    return _enter(_OPERATIONS, names, None)


def _enter(table: dict[str, Translator], names: tuple[str, ...], weights: Any):
    def decorate(function):
        for name in names:
            table[name] = Translator(function, weights or {})
        return function

    return decorate


def translator(operation: keras.Operation) -> Translator:
    """The entry for an operation.

    Raises:
        ModelError: There is none.
    """
    kind = type(operation)
    is_layer = isinstance(operation, keras.layers.Layer)
    table = _LAYERS if is_layer else _OPERATIONS
    if kind.__module__.startswith("keras.") and kind.__name__ in table:
        return table[kind.__name__]
    what = "layer" if is_layer else "operation"
    why = (
        f"tf_keras has no equal of {kind.__name__}"
        if kind.__module__.startswith("keras.")
        else f"{kind.__name__} is a class of your own"
    )
    raise ModelError(
        f"The {what} {operation.name!r} cannot cross to tf_keras: {why}; build the "
        f"model without it. What crosses: {', '.join(sorted(table))}."
    )


def options(
    layer: keras.layers.Layer,
    keep: tuple[str, ...] = (),
    rename: Mapping[str, str] | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A layer's options as the legacy class takes them; none is dropped in silence.

    Args:
        layer: A Keras 3 layer.
        keep: Options that mean the same there.
        rename: Options that have another name there.
        fixed: Options that cannot differ from these values.

    Raises:
        ModelError: An option has no equal and is in use.
    """
    rename, fixed = rename or {}, fixed or {}
    taken = {}
    for key, value in layer.get_config().items():
        if key in _EVERYWHERE or key.endswith("_initializer"):
            continue
        if key.endswith(("_regularizer", "_constraint")) and key in keep:
            taken[key] = _penalty(layer, key, value)
        elif key in keep:
            taken[key] = value
        elif key in rename:
            taken[rename[key]] = value
        elif key in fixed:
            if value != fixed[key]:
                refuse(layer, key, value, f"only {fixed[key]!r} does")
        elif value is not None and value is not False:
            refuse(layer, key, value, "it has no equal there")
    return taken


def refuse(operation: keras.Operation, key: str, value: Any, why: str) -> None:
    """Say that an option cannot cross.

    Raises:
        ModelError: Always.
    """
    raise ModelError(
        f"The layer {operation.name!r} ({type(operation).__name__}) cannot cross to "
        f"tf_keras with {key}={_short(value)}: {why}."
    )


def _penalty(layer: keras.layers.Layer, key: str, value: Any) -> Any:
    """A regulariser or constraint as tf_keras has it."""
    if value is None:
        return None
    home = "regularizers" if key.endswith("_regularizer") else "constraints"
    name = value.get("class_name", "") if isinstance(value, dict) else str(value)
    kind = getattr(getattr(tf_keras(), home), name, None)
    if kind is None or not str(value.get("module") or "").startswith("keras."):
        refuse(layer, key, name, "it has no equal there")
    return kind(**value["config"])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."
