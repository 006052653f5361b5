"""What a model costs: multiply-adds and parameters, counted from its graph."""

import math
from collections.abc import Callable

import keras
from keras import layers

from kerakd.errors import ModelError
from kerakd.models.graph import Call, calls, flatten


def parameters(model: keras.Model) -> int:
    """All parameters of a model, running statistics among them."""
    return int(model.count_params())


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of one forward pass on one picture.

    Convolutions of every kind, dense layers and attention are counted, as in the
    papers: MobileNetV2 at 224 px has 300 million. Biases, normalisation, activations,
    pooling and resizing are not. A layer that is called twice counts twice. FLOPs, as
    some tools print them, are twice this number.

    A layer of your own that holds other layers is counted if it has a method
    `multiply_adds(input_shape)`.

    Args:
        model: A functional or Sequential model of fixed input size.

    Returns:
        Multiply-adds, one product and one sum counted as one.

    Raises:
        ModelError: The input size is not fixed, a layer with weights is of a kind that
            cannot be counted, or the model is subclassed.

    Example:

    ```python
    import kerakd

    model = kerakd.models.build("mobilenet_v2", 4, (128, 128, 3), alpha=0.35)
    print(f"{kerakd.models.multiply_adds(model) / 1e6:.1f} million")
    ```
    """
    return sum(_of_call(call) for call in calls(flatten(model)))


def _of_call(call: Call) -> int:
    operation = call.operation
    own = getattr(operation, "multiply_adds", None)
    if own is not None:
        return int(own(tuple(call.inputs[0].shape)))
    for kind, count in _COUNTS.items():
        if isinstance(operation, kind):
            return count(call)
    if any(len(v.shape) > 1 for v in getattr(operation, "weights", ())):
        raise ModelError(
            f"The multiply-adds of layer {operation.name!r} "
            f"({type(operation).__name__}) cannot be counted; give its class a method "
            "multiply_adds(input_shape)."
        )
    return 0


def _places(tensor: keras.KerasTensor, layer: keras.layers.Layer) -> int:
    """At how many positions of a channels-last or -first map a kernel is applied."""
    shape = tensor.shape
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return _product(shape[2:] if first else shape[1:-1], layer)


def _product(extents: tuple, layer: keras.layers.Layer) -> int:
    if None in extents:
        raise ModelError(
            f"The input size of the model is not fixed (layer {layer.name!r} has "
            f"{extents}), so its cost is not known; build it with a fixed input_shape."
        )
    return math.prod(extents)


def _convolution(call: Call) -> int:
    layer = call.operation
    return _places(call.outputs[0], layer) * math.prod(layer.kernel.shape)


def _transposed(call: Call) -> int:
    # Every input position is spread by the whole kernel.
    layer = call.operation
    return _places(call.inputs[0], layer) * math.prod(layer.kernel.shape)


def _separable(call: Call) -> int:
    layer = call.operation
    kernels = math.prod(layer.depthwise_kernel.shape) + math.prod(
        layer.pointwise_kernel.shape
    )
    return _places(call.outputs[0], layer) * kernels


def _dense(call: Call) -> int:
    layer = call.operation
    return _product(call.inputs[0].shape[1:-1], layer) * math.prod(layer.kernel.shape)


def _einsum(call: Call) -> int:
    """Every index of the equation runs over its extent once."""
    layer = call.operation
    operands = layer.equation.replace("...", "").split("->")[0]
    operand, kernel = operands.split(",")
    extents = dict(zip(kernel, layer.kernel.shape, strict=True))
    # Indices behind an ellipsis are matched from the end.
    shape = call.inputs[0].shape
    for index, extent in zip(reversed(operand), reversed(shape), strict=False):
        extents.setdefault(index, extent)
    batch = operand[0] if "..." not in layer.equation else None
    counted = [extents[i] for i in extents if i != batch]
    hidden = () if batch else shape[1 : len(shape) - len(operand)]
    return _product((*counted, *hidden), layer)


def _attention(call: Call) -> int:
    layer = call.operation
    query, *rest = call.inputs
    value = rest[0] if rest else query
    key = rest[1] if len(rest) > 1 else value
    queries, keys = (_product(tuple(x.shape[1:-1]), layer) for x in (query, key))
    heads, key_dim = layer.num_heads, layer.key_dim
    value_dim = layer.value_dim or key_dim
    width_out = layer.output_dense.kernel.shape[-1]
    projections = heads * (
        queries * query.shape[-1] * key_dim
        + keys * key.shape[-1] * key_dim
        + keys * value.shape[-1] * value_dim
        + queries * value_dim * width_out
    )
    return projections + heads * queries * keys * (key_dim + value_dim)


_COUNTS: dict[type | tuple[type, ...], Callable[[Call], int]] = {
    (layers.SeparableConv1D, layers.SeparableConv2D): _separable,
    (
        layers.Conv1DTranspose,
        layers.Conv2DTranspose,
        layers.Conv3DTranspose,
    ): _transposed,
    (
        layers.Conv1D,
        layers.Conv2D,
        layers.Conv3D,
        layers.DepthwiseConv1D,
        layers.DepthwiseConv2D,
    ): _convolution,
    layers.Dense: _dense,
    layers.EinsumDense: _einsum,
    layers.MultiHeadAttention: _attention,
    # A table look-up: weights, but no arithmetic.
    layers.Embedding: lambda call: 0,
}
