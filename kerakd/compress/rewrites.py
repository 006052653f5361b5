"""Changes to a model's exported graph: its pixels, its weights, its hard-swishes."""

from typing import Any

import numpy as np

from kerakd.compress import flatbuffer as fb
from kerakd.compress.flatbuffer import schema

# Kernels below this size are not worth halving; the converter's own limit for 8 bits.
_SMALL = 1024


def take_uint8(flatbuffer: bytes) -> bytes:
    """Let an int8 model take the bytes of an image as they are.

    An operator QUANTIZE is put before the first one, as the converter does.

    Args:
        flatbuffer: A model with one int8 input of scale 1 and zero point -128.

    Returns:
        The same model with a uint8 input of scale 1 and zero point 0.
    """
    model = fb.read(flatbuffer)
    graph = model.subgraphs[0]
    inside = int(graph.inputs[0])
    tensor = fb.tensor_like(graph.tensors[inside], b"images_uint8")
    tensor.type = schema.TensorType.UINT8
    tensor.quantization = _scale(1.0, 0)
    graph.tensors.append(tensor)
    quantize = fb.new_operator(
        model, schema.BuiltinOperator.QUANTIZE, [len(graph.tensors) - 1], [inside]
    )
    quantize.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
    quantize.builtinOptions = schema.QuantizeOptionsT()
    graph.operators.insert(0, quantize)
    graph.inputs = [len(graph.tensors) - 1]
    return fb.write(model)


def halve_weights(flatbuffer: bytes) -> bytes:
    """Store the large kernels of a float32 model in float16.

    Kernels of fewer than 1,024 values and biases stay in float32: they weigh next to
    nothing, and of a distilled MobileNetV2-0.35 nine tenths of the error that float16
    brought into the logits came from those of its first blocks.

    Args:
        flatbuffer: A float32 model.

    Returns:
        The same model with an operator DEQUANTIZE behind each kernel, which LiteRT
        carries out once, when the file is loaded.
    """
    model = fb.read(flatbuffer)
    graph = model.subgraphs[0]
    added = []
    halved: dict[int, int] = {}  # equal kernels share one buffer, and go on doing so
    for index, tensor in enumerate(list(graph.tensors)):
        data = model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.FLOAT32 or data is None:
            continue
        values = np.frombuffer(bytes(data), np.float32)
        # What float16 cannot hold stays, too.
        if values.size < _SMALL or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        stored = fb.tensor_like(tensor, bytes(tensor.name) + b"_float16")
        stored.type = schema.TensorType.FLOAT16
        if tensor.buffer not in halved:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.astype(np.float16).tobytes(), np.uint8)
            model.buffers.append(buffer)
            halved[tensor.buffer] = len(model.buffers) - 1
        stored.buffer = halved[tensor.buffer]
        graph.tensors.append(stored)
        tensor.buffer = 0
        operator = fb.new_operator(
            model,
            schema.BuiltinOperator.DEQUANTIZE,
            [len(graph.tensors) - 1],
            [index],
        )
        operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
        operator.builtinOptions = schema.DequantizeOptionsT()
        added.append(operator)
    graph.operators = added + list(graph.operators)
    fb.forget_unused_buffers(model)
    return fb.write(model)


def split_hard_swish(flatbuffer: bytes) -> tuple[bytes, int]:
    """Write each HARD_SWISH as three operators that XNNPACK runs in int8.

    `x * relu6(x + 3) / 6` is computed as `(x * (1/6)) * relu6(x + 3)`.

    Args:
        flatbuffer: A float32 model.

    Returns:
        The equal model without HARD_SWISH, and how many there were.
    """
    model = fb.read(flatbuffer)
    graph = model.subgraphs[0]
    wanted = {
        index
        for index, code in enumerate(model.operatorCodes)
        if fb.code_of(code) == schema.BuiltinOperator.HARD_SWISH
    }
    places = [n for n, op in enumerate(graph.operators) if op.opcodeIndex in wanted]
    if not places:
        return bytes(flatbuffer), 0
    sixth = _constant(model, 1 / 6, b"hard_swish/sixth")
    three = _constant(model, 3.0, b"hard_swish/three")
    operators = []
    for operator in graph.operators:
        if operator.opcodeIndex not in wanted:
            operators.append(operator)
            continue
        source, target = int(operator.inputs[0]), int(operator.outputs[0])
        halves = []
        for suffix in (b"/scaled", b"/gate"):
            name = bytes(graph.tensors[target].name) + suffix
            graph.tensors.append(fb.tensor_like(graph.tensors[source], name))
            halves.append(len(graph.tensors) - 1)
        operators += [
            _multiply(model, [source, sixth], halves[0]),
            _add_relu6(model, [source, three], halves[1]),
            _multiply(model, halves, target),
        ]
    graph.operators = operators
    fb.forget_unused_codes(model)
    return fb.write(model), len(places)


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


def _scale(scale: float, zero_point: int) -> Any:
    quantization = schema.QuantizationParametersT()
    quantization.scale = np.array([scale], np.float32)
    quantization.zeroPoint = np.array([zero_point], np.int64)
    return quantization
