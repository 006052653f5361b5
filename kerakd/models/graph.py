"""The graph of a functional model: its calls in order, flattened, tapped.

Keras has no public way to walk a graph call by call. What this file takes of its
private side (a tensor's `_keras_history`, an operation's `_inbound_nodes`, a node's
`arguments.fill_in`) is taken here and nowhere else.
"""

import weakref
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import keras

from kerakd.errors import ModelError, nearest


class Call(NamedTuple):
    """One call of one operation in a model's graph.

    Attributes:
        operation: The layer or `keras.ops` operation that is called.
        inputs: The symbolic tensors it reads.
        outputs: The symbolic tensors it gives.
        node: Keras's record of the call, with all its arguments.
    """

    operation: keras.Operation
    inputs: list
    outputs: list
    node: Any


def producer(tensor: keras.KerasTensor) -> Call:
    """The call that gave a symbolic tensor."""
    operation, index, _ = tensor._keras_history
    node = operation._inbound_nodes[index]
    return Call(operation, list(node.input_tensors), list(node.output_tensors), node)


def calls(model: keras.Model) -> list[Call]:
    """All calls of a functional or Sequential model, from its inputs to its outputs.

    Nested models count as one call each; `flatten` first to see into them. A layer
    that is called twice appears twice. Input layers are left out.

    Args:
        model: A functional or built Sequential model.

    Returns:
        The calls in an order in which they can be computed.

    Raises:
        ModelError: The model is subclassed or not built.
    """
    require_graph(model)
    known = {id(tensor) for tensor in model.inputs}
    order: list[Call] = []
    # An explicit stack: a ResNet-101 is deeper than Python's recursion limit allows.
    stack = [(tensor, False) for tensor in reversed(model.outputs)]
    while stack:
        tensor, inputs_done = stack.pop()
        if id(tensor) in known:
            continue
        call = producer(tensor)
        if inputs_done:
            order.append(call)
            known.update(map(id, call.outputs))
        else:
            stack.append((tensor, True))
            stack += [(x, False) for x in reversed(call.inputs) if id(x) not in known]
    return order


def is_functional(model: Any) -> bool:
    """Whether a model is a graph of layers: functional or built Sequential.

    A subclass of a functional model with a `call` of its own is not: its graph does
    not say what it computes.
    """
    if not isinstance(model, keras.Model):
        return False
    if isinstance(model, keras.Sequential):
        has_graph = bool(model.layers) and hasattr(model, "outputs")
    else:
        has_graph = isinstance(model, keras.Function)
    owner = next(cls for cls in type(model).__mro__ if "call" in vars(cls))
    return has_graph and owner.__module__.startswith("keras.")


def require_graph(model: Any) -> None:
    """Refuse what has no graph to look at.

    Raises:
        ModelError: It is no model, is subclassed, or is a Sequential without input.
    """
    if is_functional(model):
        return
    if not isinstance(model, keras.Model):
        raise ModelError(
            f"Expected a keras.Model, got {type(model).__name__} {model!r:.60}."
        )
    if isinstance(model, keras.Sequential):
        raise ModelError(
            f"The Sequential model {model.name!r} has no input shape yet; begin it "
            "with keras.Input(shape=...) or call it once on a batch."
        )
    raise ModelError(
        f"The model {model.name!r} is subclassed ({type(model).__name__}), so Keras "
        "keeps no graph of it; build it with the functional API: "
        "keras.Model(inputs, outputs)."
    )


def flatten(model: keras.Model) -> keras.Model:
    """A model without models inside, that shares all weights with `model`.

    Class activation maps, taps, the cost count and the TFLite bridge want one graph
    of plain layers. Nested functional and Sequential models are replaced by their
    layers, at every call and every depth; a subclassed model inside stays one layer.

    The layers are the same objects, so training one model trains the other, and
    `trainable` flags are common. `model` keeps its structure. A flat functional model
    is returned as it is.

    Where two nested models have layers of the same name, the second is entered as
    `"<model>_<layer>"`, a twin that holds the same variables.

    Note: a layer that came out of a nested model remembers its old place first, so
    `flat.get_layer(name).output` is a tensor of the old graph. Use `layer_output` or
    `taps`.

    Args:
        model: A functional or built Sequential model, with any structure of inputs
            and outputs.

    Returns:
        A functional `keras.Model` with the same inputs and outputs.

    Raises:
        ModelError: The model is subclassed, or a Sequential without input shape.

    Example:

    ```python
    import keras
    import kerakd

    base = keras.applications.MobileNetV2(
        input_shape=(96, 96, 3), include_top=False, weights=None
    )
    model = keras.Sequential(
        [base, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)]
    )
    flat = kerakd.models.flatten(model)
    kerakd.models.taps(flat, ["block_13_expand_relu"])
    ```
    """
    return _flatten(model)[0]


def _flatten(model: keras.Model) -> tuple[keras.Model, dict[str, list[Call]]]:
    """`flatten`, and the calls of the flat graph by `"outer/inner"` path."""
    graph = calls(model)
    if not any(is_functional(call.operation) for call in graph):
        paths: dict[str, list[Call]] = {}
        for call in graph:
            paths.setdefault(call.operation.name, []).append(call)
        if isinstance(model, keras.Sequential):
            # The same tensors, held by a functional model.
            model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
        return model, paths
    inliner = _Inliner(call.operation for call in graph)
    inputs = [
        keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name)
        for x in model.inputs
    ]
    inliner.reserve(x.name for x in inputs)
    outputs = inliner.run(model, inputs)
    if isinstance(model, keras.Sequential):
        return keras.Model(inputs[0], outputs[0], name=model.name), inliner.paths
    flat = keras.Model(
        keras.tree.pack_sequence_as(model.input, inputs),
        keras.tree.pack_sequence_as(model.output, outputs),
        name=model.name,
    )
    return flat, inliner.paths


class _Inliner:
    """Calls the layers of a model again, those of nested models in their place."""

    def __init__(self, operations: Iterable[keras.Operation]):
        # The outermost model's own layers keep their names.
        self._owners = {op.name: op for op in operations if not is_functional(op)}
        self._twins: dict[int, keras.Operation] = {}
        self.paths: dict[str, list[Call]] = {}

    def reserve(self, names: Iterable[str]) -> None:
        for name in names:
            self._owners.setdefault(name, None)

    def run(
        self,
        model: keras.Model,
        inputs: list,
        training: bool | None = None,
        prefix: str = "",
    ) -> list:
        tensors = dict(zip(map(id, model.inputs), inputs, strict=True))
        for call in calls(model):
            operation = call.operation
            args, kwargs = call.node.arguments.fill_in(tensors)
            if is_functional(operation):
                outputs = self.run(
                    operation,
                    _ordered(operation, args, kwargs),
                    kwargs.get("training", training),
                    f"{prefix}{operation.name}/",
                )
            else:
                if training is not None and "training" in getattr(
                    operation, "call_signature_parameters", ()
                ):
                    kwargs["training"] = training
                twin = self._under_free_name(operation, prefix)
                outputs = keras.tree.flatten(twin(*args, **kwargs))
                path = prefix + operation.name
                self.paths.setdefault(path, []).append(producer(outputs[0]))
            for old, new in zip(call.outputs, outputs, strict=True):
                tensors[id(old)] = new
        return [tensors[id(x)] for x in model.outputs]

    def _under_free_name(self, operation: keras.Operation, prefix: str):
        """The operation, or its twin where another one has its name."""
        if self._owners.setdefault(operation.name, operation) is operation:
            return operation
        if id(operation) not in self._twins:
            base = f"{prefix}{operation.name}".replace("/", "_")
            name, count = base, 1
            while name in self._owners:
                count += 1
                name = f"{base}_{count}"
            self._twins[id(operation)] = twin(operation, name=name)
            self._owners[name] = self._twins[id(operation)]
        return self._twins[id(operation)]


def _ordered(model: keras.Model, args: tuple, kwargs: dict) -> list:
    """A nested model's inputs, flat, in the order and dtype that it takes them."""
    given = args[0] if args else kwargs["inputs"]
    if isinstance(given, dict) and not isinstance(
        None if isinstance(model, keras.Sequential) else model.input, dict
    ):
        given = [given[x.name] for x in model.inputs]
    return [
        x if x.dtype == wanted.dtype else keras.ops.cast(x, wanted.dtype)
        for x, wanted in zip(keras.tree.flatten(given), model.inputs, strict=True)
    ]


def twin(operation: keras.Operation, **attributes: Any) -> keras.Operation:
    """Another layer object that holds the same variables.

    Needed where one attribute of a layer must differ (its name, its activation) but
    its weights must be the same and the user's layer must not change. Building a new
    layer from the config would make new variables; `copy.copy` of a layer goes
    through Keras's pickling and does so too.

    Args:
        operation: A built layer or a `keras.ops` operation.
        **attributes: What differs.

    Returns:
        An operation that no graph has called yet.
    """
    new = type(operation).__new__(type(operation))
    # `__new__` wraps `build` and `quantize` for the one object; the rest is shared.
    own = {key for key, value in vars(new).items() if callable(value)}
    vars(new).update({k: v for k, v in vars(operation).items() if k not in own})
    vars(new).update(_inbound_nodes=[], _outbound_nodes=[], **attributes)
    _ORIGINALS[new] = original(operation)
    return new


# Beside the twin and not on it: Keras would save an attribute as a layer of its own.
_ORIGINALS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def original(operation: keras.Operation) -> keras.Operation:
    """The user's layer that a twin stands for; any other operation is its own."""
    return _ORIGINALS.get(operation, operation)


def layer_output(model: keras.Model, name: str) -> keras.KerasTensor:
    """What a layer gives in *this* model's graph.

    `layer.output` is what the layer gave in the first graph it was called in, which
    is another one for layers of flattened, converted or shared models.

    Args:
        model: A functional or Sequential model.
        name: A layer's name; `"outer/inner"` or, where it is unique, `"inner"` for a
            layer inside a nested model.

    Returns:
        A symbolic tensor of `model` or, where that has nested models, of a graph
        flattened anew: for several layers of one, use `taps`.

    Raises:
        ModelError: There is no such layer, or it is called several times.
    """
    return taps(model, [name]).outputs[0]


def taps(model: keras.Model, layer_names: Iterable[str]) -> keras.Model:
    """A model that gives the outputs of named layers.

    It shares layers and weights with `model`.

    Args:
        model: A functional or Sequential model.
        layer_names: Names of layers; `"outer/inner"` or, where it is unique,
            `"inner"` for a layer inside a nested model.

    Returns:
        A functional model with `model`'s inputs and a dictionary
        `{layer name: output}`.

    Raises:
        ModelError: There is no such layer, it is called several times or gives
            several tensors, or the model is subclassed.

    Example:

    ```python
    import kerakd

    model = kerakd.models.build("mobilenet_v2", 4, (96, 96, 3), alpha=0.35)
    features = kerakd.models.taps(model, ["block_13_expand_relu", "logits"])
    shapes = {name: x.shape for name, x in features.output.items()}
    ```
    """
    flat, outputs = tapped_graph(model, layer_names)
    return keras.Model(flat.input, outputs, name=f"{model.name}_taps")


def tapped_graph(
    model: keras.Model, layer_names: Iterable[str]
) -> tuple[keras.Model, dict[str, keras.KerasTensor]]:
    """`flatten(model)`, and what named layers give in that very graph.

    For who wants a model's own outputs and its taps in one pass; see `taps`.
    """
    wanted = list(dict.fromkeys(layer_names))
    if not wanted:
        raise ModelError(f"No layer of {model.name!r} was named; name at least one.")
    flat, paths = _flatten(model)
    return flat, {name: _find(name, paths, model) for name in wanted}


def _find(name: str, paths: dict[str, list[Call]], model: keras.Model):
    matches = [path for path in paths if path == name or path.endswith("/" + name)]
    if name in matches:
        matches = [name]
    if not matches:
        raise ModelError(
            f"The model {model.name!r} has no layer {name!r}. {nearest(name, paths)}"
        )
    if len(matches) > 1:
        raise ModelError(
            f"The model {model.name!r} has several layers {name!r}: "
            f"{', '.join(matches[:4])}; name one of them whole."
        )
    found = paths[matches[0]]
    outputs = [x for call in found for x in call.outputs]
    if len(outputs) > 1:
        raise ModelError(
            f"The layer {name!r} of {model.name!r} gives {len(outputs)} tensors (in "
            f"{len(found)} calls), so its name does not say which; name a layer "
            "behind it that is called once."
        )
    return outputs[0]


def weighted_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Layers with weights in the order of first call, each once; none is a model.

    Layers of nested models are the user's own, also where the flat graph has a twin.
    """
    seen = set()
    for call in calls(flatten(model)):
        layer = original(call.operation)
        if id(layer) not in seen and getattr(layer, "weights", None):
            seen.add(id(layer))
            yield layer
