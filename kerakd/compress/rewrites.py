"""Changes to a model's exported graph: what it takes, how it stores its weights."""

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
    return _take(flatbuffer, "uint8", schema.TensorType.UINT8, _scale(1.0, 0))


def take_float32(flatbuffer: bytes) -> bytes:
    """Let an int8 model take float32 values, which its first operator rounds.

    Args:
        flatbuffer: A model with one int8 input.

    Returns:
        The same model with a float32 input; what it computes in is int8 as before.
    """
    return _take(flatbuffer, "float32", schema.TensorType.FLOAT32, None)


def _take(flatbuffer: bytes, name: str, kind: int, quantization: Any) -> bytes:
    """Put a QUANTIZE in front of the first operator."""
    model = fb.read(flatbuffer)
    graph = model.subgraphs[0]
    inside = int(graph.inputs[0])
    tensor = fb.tensor_like(graph.tensors[inside], f"images_{name}".encode())
    tensor.type = kind
    tensor.quantization = quantization
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
        added.append(unpacking(model, stored, index))
    graph.operators = added + list(graph.operators)
    fb.forget_unused_buffers(model)
    return fb.write(model)


def unpacking(model: Any, stored: Any, index: int) -> Any:
    """An operator DEQUANTIZE that LiteRT carries out once, when the file is loaded.

    Args:
        model: As `kerakd.compress.flatbuffer.read` gives it; gets the tensor.
        stored: A new constant tensor, float16 or 8 bits.
        index: The float32 tensor that it is unpacked into, whose own values go.
    """
    graph = model.subgraphs[0]
    graph.tensors.append(stored)
    graph.tensors[index].buffer = 0
    operator = fb.new_operator(
        model,
        schema.BuiltinOperator.DEQUANTIZE,
        [len(graph.tensors) - 1],
        [index],
    )
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    return operator


def _scale(scale: float, zero_point: int) -> Any:
    quantization = schema.QuantizationParametersT()
    quantization.scale = np.array([scale], np.float32)
    quantization.zeroPoint = np.array([zero_point], np.int64)
    return quantization
