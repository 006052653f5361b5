"""Does a model end in logits, and how it is made to."""

from typing import NamedTuple

import keras

from kerakd.errors import ModelError
from kerakd.models.graph import (
    Call,
    flatten,
    is_functional,
    producer,
    require_graph,
    twin,
)

_PROBABILITIES = {"softmax", "sigmoid", "hard_sigmoid", "hardsigmoid", "sparsemax"}
# Operations that change no value, so that a softmax before them is still the end.
_TRANSPARENT = {
    "Cast", "ExpandDims", "Flatten", "Identity", "Moveaxis", "Permute", "Reshape",
    "Squeeze", "Transpose",
}  # fmt: skip
# Operations that give probabilities where all that they read are probabilities.
_MIXING = {
    "Average", "AveragePooling2D", "Concatenate", "CenterCrop", "Cropping1D",
    "Cropping2D", "Cropping3D", "GetItem", "GlobalAveragePooling1D",
    "GlobalAveragePooling2D", "Maximum", "Mean", "Minimum", "Resize", "Resizing",
    "Stack", "UpSampling1D", "UpSampling2D", "UpSampling3D",
}  # fmt: skip


class LogitsCheck(NamedTuple):
    """Whether a model ends in logits, and why; true or false as its first part."""

    logits: bool
    reason: str

    def __bool__(self) -> bool:
        return self.logits


def ends_in_logits(model: keras.Model) -> LogitsCheck:
    """Whether a model's outputs are raw scores, as seen in its graph.

    Outputs that end in a softmax, sigmoid, hard sigmoid or sparsemax, as a layer's
    activation, a layer of its own or a `keras.ops` operation, are probabilities; so
    are averages and concatenations of these. Casts and reshapes behind are looked
    through, nested models are looked into.

    Args:
        model: Any `keras.Model`. Of a subclassed model nothing can be seen: it passes,
            and the reason says so.

    Returns:
        `(logits, reason)`, which is true where `logits` is.

    Example:

    ```python
    import keras
    import kerakd

    model = keras.applications.MobileNetV2(weights=None)
    logits, reason = kerakd.models.ends_in_logits(model)
    # False, "layer 'predictions' has the activation softmax"
    ```
    """
    if not is_functional(model):
        return LogitsCheck(
            True, "its graph cannot be seen (subclassed or not built); taken on trust"
        )
    for tensor in flatten(model).outputs:
        why = _why_probability(tensor)
        if why:
            return LogitsCheck(False, why)
    return LogitsCheck(True, "no output ends in a softmax or sigmoid")


def with_logits(model: keras.Model) -> keras.Model:
    """The same model without its final softmax or sigmoid, with the same weights.

    `softmax(with_logits(model)(x))` equals `model(x)`. The layers are shared, so
    training one trains the other; `model` itself does not change, and one that gives
    logits already is returned as it is.

    Args:
        model: A functional or built Sequential model, nested or not, with one output
            or several.

    Returns:
        A flat functional model that gives logits wherever `model` gave probabilities.

    Raises:
        ModelError: The model is subclassed, or its output is a mixture of
            probabilities, which has no logits.

    Example:

    ```python
    import keras
    import kerakd

    teacher = kerakd.models.with_logits(keras.applications.ResNet50(weights=None))
    ```
    """
    _refuse_subclassed(model)
    require_graph(model)
    flat = flatten(model)
    stripper = _Stripper()
    outputs = [stripper.logits_of(tensor) for tensor in flat.outputs]
    if all(new is old for new, old in zip(outputs, flat.outputs, strict=True)):
        return model
    outputs = keras.tree.pack_sequence_as(flat.output, outputs)
    stripper.settle_names(outputs)
    return keras.Model(flat.input, outputs, name=model.name)


def _refuse_subclassed(model: keras.Model) -> None:
    if isinstance(model, keras.Model) and not (
        is_functional(model) or isinstance(model, keras.Sequential)
    ):
        raise ModelError(
            f"The model {model.name!r} is subclassed ({type(model).__name__}), so its "
            "softmax cannot be found; leave the activation out in its `call`, or build "
            "it with the functional API."
        )


class _Stripper:
    """Finds the tensor before the last softmax, and re-applies what came behind it."""

    def __init__(self):
        self._twins: dict[int, keras.Operation] = {}

    def logits_of(self, tensor: keras.KerasTensor) -> keras.KerasTensor:
        call = producer(tensor)
        operation = call.operation
        if not call.inputs:
            return tensor
        if _activation(operation) in _PROBABILITIES:
            if getattr(operation, "weights", None):
                arguments = call.node.arguments
                return self._linear(operation)(*arguments.args, **arguments.kwargs)
            before = call.inputs[0]
            if before.dtype == tensor.dtype:
                return before
            # A softmax in float32 behind half-precision layers: the cast stays.
            return keras.layers.Activation(
                "linear", dtype=tensor.dtype, name=operation.name
            )(before)
        if _is_transparent(operation):
            before = call.inputs[0]
            new = self.logits_of(before)
            if new is before:
                return tensor
            args, kwargs = call.node.arguments.fill_in({id(before): new})
            return operation(*args, **kwargs)
        why = _why_probability(tensor)
        if why:
            raise ModelError(
                f"The output of {operation.name!r} mixes probabilities ({why}), and a "
                "mixture has no logits; pass the models that are mixed instead (a "
                "Distiller takes a list of teachers)."
            )
        return tensor

    def _linear(self, layer: keras.Operation) -> keras.Operation:
        if id(layer) not in self._twins:
            self._twins[id(layer)] = twin(layer, activation=keras.activations.linear)
        return self._twins[id(layer)]

    def settle_names(self, outputs) -> None:
        """A twin gives way where the layer it replaces is still in the graph."""
        present = _operations_behind(keras.tree.flatten(outputs))
        taken = {op.name for op in present if op not in self._twins.values()}
        for new in self._twins.values():
            while new.name in taken:
                new.name += "_logits"
            taken.add(new.name)


def _operations_behind(tensors: list) -> list[keras.Operation]:
    found, stack, seen = [], list(tensors), set()
    while stack:
        call = producer(stack.pop())
        if id(call.node) not in seen:
            seen.add(id(call.node))
            found.append(call.operation)
            stack += call.inputs
    return found


def _activation(operation: keras.Operation) -> str | None:
    """The name of the activation that an operation ends with, in lower case."""
    if isinstance(operation, keras.layers.RNN):
        return None
    if hasattr(operation, "activation"):
        function = operation.activation
        return getattr(function, "__name__", type(function).__name__).lower()
    return type(operation).__name__.lower()


def _is_transparent(operation: keras.Operation) -> bool:
    if type(operation) is keras.layers.Activation:
        return _activation(operation) == "linear"
    return type(operation).__name__ in _TRANSPARENT


def _why_probability(tensor: keras.KerasTensor) -> str | None:
    """A clause that says why a tensor holds probabilities; `None` if it does not."""
    call: Call = producer(tensor)
    operation, name = call.operation, call.operation.name
    activation = _activation(operation)
    if activation in _PROBABILITIES:
        kind = "layer" if isinstance(operation, keras.layers.Layer) else "operation"
        if hasattr(operation, "activation"):
            return f"{kind} {name!r} has the activation {activation}"
        return f"{kind} {name!r} is a {activation}"
    if _is_transparent(operation) or type(operation).__name__ in _MIXING:
        reasons = [_why_probability(x) for x in call.inputs]
        if reasons and all(reasons):
            return reasons[0]
    return None
