"""Hard-swish in an exported graph, written in operators that XNNPACK runs in int8."""

from typing import Any

import numpy as np

from kerakd.compress import flatbuffer as fb
from kerakd.compress.flatbuffer import schema

# Give six times as much where they are given six times as much.
_PASSING = ("MEAN", "PAD", "RESHAPE", "AVERAGE_POOL_2D", "MAX_POOL_2D")
_WEIGHING = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def split_hard_swish(flatbuffer: bytes) -> tuple[bytes, int]:
    """Write each HARD_SWISH as two operators, or as three.

    `x * relu6(x + 3)` is six times the hard-swish, and a sixth goes into the kernels
    that read it, through whatever is linear between. Where something else reads it,
    `(x * (1/6)) * relu6(x + 3)` is computed: one more pass over a large tensor.

    Args:
        flatbuffer: A float32 model.

    Returns:
        The equal model without HARD_SWISH, and how many there were.
    """
    model = fb.read(flatbuffer)
    graph = model.subgraphs[0]
    found = [op for op in graph.operators if fb.kind(model, op) == "HARD_SWISH"]
    if not found:
        return bytes(flatbuffer), 0
    readers: dict[int, list[Any]] = {}
    for operator in graph.operators:
        for index in set(map(int, operator.inputs)):
            readers.setdefault(index, []).append(operator)
    wanted = {id(op): _kernels(model, readers, int(op.outputs[0])) for op in found}
    three = _constant(model, 3.0, b"hard_swish/three")
    sixth = None
    if any(kernels is None for kernels in wanted.values()):
        sixth = _constant(model, 1 / 6, b"hard_swish/sixth")
    operators = []
    for operator in graph.operators:
        if id(operator) not in wanted:
            operators.append(operator)
            continue
        source, target = int(operator.inputs[0]), int(operator.outputs[0])
        kernels = wanted[id(operator)]
        gate = _beside(model, source, target, b"/gate")
        operators.append(_add_relu6(model, [source, three], gate))
        if kernels is None:
            scaled = _beside(model, source, target, b"/scaled")
            operators.append(_multiply(model, [source, sixth], scaled))
            source = scaled
        for kernel in kernels or ():
            fb.set_constant(model, kernel, fb.constant(model, kernel) / 6)
        operators.append(_multiply(model, [source, gate], target))
    graph.operators = operators
    fb.forget_unused_codes(model)
    return fb.write(model), len(found)


def _kernels(model: Any, readers: dict, start: int) -> list[int] | None:
    """The kernels that read a tensor; `None` where something else does, too."""
    outputs = set(map(int, model.subgraphs[0].outputs))
    waiting, scaled, kernels, products = [start], set(), set(), []
    while waiting:
        index = waiting.pop()
        if index in outputs:
            return None
        scaled.add(index)
        for operator in readers.get(index, ()):
            kind, inputs = fb.kind(model, operator), list(map(int, operator.inputs))
            if inputs[0] != index and kind != "MUL":
                return None
            if kind in _WEIGHING:
                if fb.shared_or_variable(model, inputs[1]):
                    return None
                kernels.add(inputs[1])
                continue
            if kind not in (*_PASSING, "MUL"):
                return None
            if fb.activation(operator) not in (None, "NONE", "RELU"):
                return None
            if kind == "MUL":
                products.append(inputs)
            waiting += [int(i) for i in operator.outputs if int(i) not in scaled]
    # A product of two such tensors would be 36 times as large.
    if any(set(pair) <= scaled for pair in products):
        return None
    return sorted(kernels)


def _beside(model: Any, source: int, target: int, suffix: bytes) -> int:
    """The index of a new tensor like `source`, named after `target`."""
    tensors = model.subgraphs[0].tensors
    name = bytes(tensors[target].name) + suffix
    tensors.append(fb.tensor_like(tensors[source], name))
    return len(tensors) - 1


def _multiply(model: Any, inputs: list[int], output: int) -> Any:
    operator = fb.new_operator(model, schema.BuiltinOperator.MUL, inputs, [output])
    operator.builtinOptionsType = schema.BuiltinOptions.MulOptions
    operator.builtinOptions = schema.MulOptionsT()
    return operator


def _add_relu6(model: Any, inputs: list[int], output: int) -> Any:
    operator = fb.new_operator(model, schema.BuiltinOperator.ADD, inputs, [output])
    operator.builtinOptionsType = schema.BuiltinOptions.AddOptions
    operator.builtinOptions = schema.AddOptionsT()
    operator.builtinOptions.fusedActivationFunction = (
        schema.ActivationFunctionType.RELU6
    )
    return operator


def _constant(model: Any, value: float, name: bytes) -> int:
    """The index of a new float32 scalar."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.float32(value).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor = schema.TensorT()
    tensor.name, tensor.shape = name, []
    tensor.type = schema.TensorType.FLOAT32
    tensor.buffer = len(model.buffers) - 1
    tensor.hasRank = True
    graph = model.subgraphs[0]
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1
