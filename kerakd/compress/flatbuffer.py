"""Edit the flatbuffer of a model: its signature, its pixels, its hard-swishes."""

from typing import Any

import numpy as np
from ai_edge_litert.tools import flatbuffer_utils

_schema = flatbuffer_utils.schema_fb

# The names by which LiteRT's signature runners ask for the tensors.
SIGNATURE, INPUT, OUTPUT = "serving_default", "images", "logits"

# Kernels below this size are not worth halving; the converter's own limit for 8 bits.
_SMALL = 1024
# DEQUANTIZE takes float16 from its third version on.
_VERSIONS = {_schema.BuiltinOperator.DEQUANTIZE: 3}


def _names(enumeration: type) -> dict[int, str]:
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}


_KINDS = _names(_schema.BuiltinOperator)
_ACTIVATIONS = _names(_schema.ActivationFunctionType)
SAME = _schema.Padding.SAME


def sign(flatbuffer: bytes) -> bytes:
    """Name the input and the output, so that signature runners find them.

    Args:
        flatbuffer: A model with one input and one output.

    Returns:
        The model with the one signature `serving_default(images) -> logits`.
    """
    model = read(flatbuffer)
    graph = model.subgraphs[0]
    graph.tensors[int(graph.outputs[0])].name = OUTPUT.encode()
    return write(model)


def take_uint8(flatbuffer: bytes) -> bytes:
    """Let an int8 model take the bytes of an image as they are.

    An operator QUANTIZE is put before the first one, as the converter does.

    Args:
        flatbuffer: A model with one int8 input of scale 1 and zero point -128.

    Returns:
        The same model with a uint8 input of scale 1 and zero point 0.
    """
    model = read(flatbuffer)
    graph = model.subgraphs[0]
    inside = int(graph.inputs[0])
    tensor = _tensor_like(graph.tensors[inside], b"images_uint8")
    tensor.type = _schema.TensorType.UINT8
    tensor.quantization = _scale(1.0, 0)
    graph.tensors.append(tensor)
    quantize = _operator(
        model, _schema.BuiltinOperator.QUANTIZE, [len(graph.tensors) - 1], [inside]
    )
    quantize.builtinOptionsType = _schema.BuiltinOptions.QuantizeOptions
    quantize.builtinOptions = _schema.QuantizeOptionsT()
    graph.operators.insert(0, quantize)
    graph.inputs = [len(graph.tensors) - 1]
    return write(model)


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
    model = read(flatbuffer)
    graph = model.subgraphs[0]
    added = []
    halved: dict[int, int] = {}  # equal kernels share one buffer, and go on doing so
    for index, tensor in enumerate(list(graph.tensors)):
        data = model.buffers[tensor.buffer].data
        if tensor.type != _schema.TensorType.FLOAT32 or data is None:
            continue
        values = np.frombuffer(bytes(data), np.float32)
        # What float16 cannot hold stays, too.
        if values.size < _SMALL or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        stored = _tensor_like(tensor, bytes(tensor.name) + b"_float16")
        stored.type = _schema.TensorType.FLOAT16
        if tensor.buffer not in halved:
            buffer = _schema.BufferT()
            buffer.data = np.frombuffer(values.astype(np.float16).tobytes(), np.uint8)
            model.buffers.append(buffer)
            halved[tensor.buffer] = len(model.buffers) - 1
        stored.buffer = halved[tensor.buffer]
        graph.tensors.append(stored)
        tensor.buffer = 0
        operator = _operator(
            model,
            _schema.BuiltinOperator.DEQUANTIZE,
            [len(graph.tensors) - 1],
            [index],
        )
        operator.builtinOptionsType = _schema.BuiltinOptions.DequantizeOptions
        operator.builtinOptions = _schema.DequantizeOptionsT()
        added.append(operator)
    graph.operators = added + list(graph.operators)
    _forget_unused_buffers(model)
    return write(model)


def split_hard_swish(flatbuffer: bytes) -> tuple[bytes, int]:
    """Write each HARD_SWISH as three operators that XNNPACK runs in int8.

    `x * relu6(x + 3) / 6` is computed as `(x * (1/6)) * relu6(x + 3)`.

    Args:
        flatbuffer: A float32 model.

    Returns:
        The equal model without HARD_SWISH, and how many there were.
    """
    model = read(flatbuffer)
    graph = model.subgraphs[0]
    wanted = {
        index
        for index, code in enumerate(model.operatorCodes)
        if _builtin(code) == _schema.BuiltinOperator.HARD_SWISH
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
            graph.tensors.append(_tensor_like(graph.tensors[source], name))
            halves.append(len(graph.tensors) - 1)
        operators += [
            _multiply(model, [source, sixth], halves[0]),
            _add_relu6(model, [source, three], halves[1]),
            _multiply(model, halves, target),
        ]
    graph.operators = operators
    _forget_unused_codes(model)
    return write(model), len(places)


def peak_activations(flatbuffer: bytes) -> int:
    """Bytes of all tensors that are alive at once, at the worst operator.

    What any runtime needs at least beside the weights; a planner that places the
    tensors without gaps needs no more.

    Args:
        flatbuffer: A model of fixed batch; a free one counts as 1.

    Returns:
        Bytes, input and output included.
    """
    model = read(flatbuffer)
    graph = model.subgraphs[0]
    first: dict[int, int] = {int(i): 0 for i in graph.inputs}
    last: dict[int, int] = dict(first)
    for step, operator in enumerate(graph.operators):
        for index in map(int, operator.outputs):
            first.setdefault(index, step)
            last[index] = step
        for index in map(int, operator.inputs):
            if index in first:
                last[index] = step
    end = len(graph.operators)
    last.update({int(i): end for i in graph.outputs})
    change = np.zeros(end + 2, np.int64)
    for index, step in first.items():
        size = _bytes_of(graph.tensors[index])
        change[step] += size
        change[last[index] + 1] -= size
    return int(np.cumsum(change).max())


def operator_names(flatbuffer: bytes) -> list[tuple[str, str]]:
    """Each operator with the name of the tensor it gives, in the order of the graph."""
    model = read(flatbuffer)
    graph = model.subgraphs[0]
    return [
        (
            kind(model, op),
            bytes(graph.tensors[int(op.outputs[0])].name).decode(errors="replace"),
        )
        for op in graph.operators
    ]


def kind(model: Any, operator: Any) -> str:
    """What an operator is, such as `"CONV_2D"`."""
    return _KINDS.get(_builtin(model.operatorCodes[operator.opcodeIndex]), "CUSTOM")


def activation(operator: Any) -> str | None:
    """The activation fused into an operator, or `None` where it can have none."""
    fused = getattr(operator.builtinOptions, "fusedActivationFunction", None)
    return None if fused is None else _ACTIVATIONS[fused]


def constant(model: Any, index: int) -> np.ndarray | None:
    """A copy of a float32 constant, or `None` where the tensor is none."""
    tensor = model.subgraphs[0].tensors[index]
    data = model.buffers[tensor.buffer].data
    if data is None or tensor.type != _schema.TensorType.FLOAT32:
        return None
    values = np.frombuffer(bytes(data), np.float32)
    return values.reshape([int(n) for n in tensor.shape])


def shared_or_variable(model: Any, index: int) -> bool:
    """Whether a tensor is no float32 constant of one operator alone."""
    if index < 0 or constant(model, index) is None:
        return True
    return sum(index in list(op.inputs) for op in model.subgraphs[0].operators) != 1


def own_biases(model: Any) -> None:
    """Give every operator a bias of its own; equal ones are stored once at first."""
    graph = model.subgraphs[0]
    seen: set[int] = set()
    for operator in graph.operators:
        for place, index in enumerate(map(int, operator.inputs)):
            values = None if index < 0 else constant(model, index)
            if values is None or values.ndim != 1:
                continue
            if index in seen:
                twin = _tensor_like(graph.tensors[index], graph.tensors[index].name)
                twin.buffer = graph.tensors[index].buffer
                twin.name = bytes(twin.name) + b"_%d" % len(graph.tensors)
                graph.tensors.append(twin)
                operator.inputs[place] = len(graph.tensors) - 1
            seen.add(index)


def set_constant(model: Any, index: int, values: np.ndarray) -> None:
    """Give a constant other values; others that shared its buffer keep theirs."""
    buffer = _schema.BufferT()
    buffer.data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
    model.buffers.append(buffer)
    model.subgraphs[0].tensors[index].buffer = len(model.buffers) - 1
    _forget_unused_buffers(model)


def read(flatbuffer: bytes) -> Any:
    """A flatbuffer as objects that can be changed; `write` makes bytes of them."""
    # Also takes up buffers that lie behind the flatbuffer, where ai-edge-quantizer
    # puts those of larger models.
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(flatbuffer))
    for buffer in model.buffers:
        # Anything but an array is written byte by byte, in Python.
        if buffer.data is not None and not isinstance(buffer.data, np.ndarray):
            buffer.data = np.frombuffer(buffer.data, np.uint8)
    return model


def write(model: Any) -> bytes:
    """The bytes of a model, signed."""
    graph = model.subgraphs[0]
    signature = _schema.SignatureDefT()
    signature.signatureKey = SIGNATURE
    signature.subgraphIndex = 0
    signature.inputs = [_named(INPUT, graph.inputs[0])]
    signature.outputs = [_named(OUTPUT, graph.outputs[0])]
    model.signatureDefs = [signature]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _named(name: str, tensor: int) -> Any:
    entry = _schema.TensorMapT()
    entry.name, entry.tensorIndex = name, int(tensor)
    return entry


def _builtin(code: Any) -> int:
    return flatbuffer_utils.get_builtin_code_from_operator_code(code)


def _operator(model: Any, builtin: int, inputs: list[int], outputs: list[int]) -> Any:
    """A new operator; its code is added to the model where it is new."""
    known = [_builtin(code) for code in model.operatorCodes]
    if builtin not in known:
        code = _schema.OperatorCodeT()
        code.builtinCode = builtin
        # Old readers look for codes up to 127 here.
        code.deprecatedBuiltinCode = min(builtin, 127)
        code.version = _VERSIONS.get(builtin, 1)
        model.operatorCodes.append(code)
        known.append(builtin)
    operator = _schema.OperatorT()
    operator.opcodeIndex = known.index(builtin)
    operator.inputs, operator.outputs = inputs, outputs
    return operator


def _forget_unused_codes(model: Any) -> None:
    """Drop operator codes without an operator, which some readers look up in vain."""
    used = sorted({op.opcodeIndex for g in model.subgraphs for op in g.operators})
    model.operatorCodes = [model.operatorCodes[index] for index in used]
    place = {index: position for position, index in enumerate(used)}
    for graph in model.subgraphs:
        for operator in graph.operators:
            operator.opcodeIndex = place[operator.opcodeIndex]


def _forget_unused_buffers(model: Any) -> None:
    """Empty the buffers that no tensor and no metadata refer to."""
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or ()}
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None


def _multiply(model: Any, inputs: list[int], output: int) -> Any:
    operator = _operator(model, _schema.BuiltinOperator.MUL, inputs, [output])
    operator.builtinOptionsType = _schema.BuiltinOptions.MulOptions
    operator.builtinOptions = _schema.MulOptionsT()
    return operator


def _add_relu6(model: Any, inputs: list[int], output: int) -> Any:
    operator = _operator(model, _schema.BuiltinOperator.ADD, inputs, [output])
    operator.builtinOptionsType = _schema.BuiltinOptions.AddOptions
    operator.builtinOptions = _schema.AddOptionsT()
    operator.builtinOptions.fusedActivationFunction = (
        _schema.ActivationFunctionType.RELU6
    )
    return operator


def _constant(model: Any, value: float, name: bytes) -> int:
    """The index of a new float32 scalar."""
    buffer = _schema.BufferT()
    buffer.data = np.frombuffer(np.float32(value).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor = _schema.TensorT()
    tensor.name, tensor.shape = name, []
    tensor.type = _schema.TensorType.FLOAT32
    tensor.buffer = len(model.buffers) - 1
    tensor.hasRank = True
    graph = model.subgraphs[0]
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _tensor_like(tensor: Any, name: bytes) -> Any:
    """An activation of the same shape and type."""
    new = _schema.TensorT()
    new.name, new.shape, new.type = name, tensor.shape, tensor.type
    new.shapeSignature, new.hasRank = tensor.shapeSignature, tensor.hasRank
    new.buffer = 0
    return new


def _scale(scale: float, zero_point: int) -> Any:
    quantization = _schema.QuantizationParametersT()
    quantization.scale = np.array([scale], np.float32)
    quantization.zeroPoint = np.array([zero_point], np.int64)
    return quantization


def _bytes_of(tensor: Any) -> int:
    width = {
        _schema.TensorType.FLOAT32: 4,
        _schema.TensorType.INT32: 4,
        _schema.TensorType.INT64: 8,
        _schema.TensorType.FLOAT16: 2,
        _schema.TensorType.INT16: 2,
    }.get(tensor.type, 1)
    shape = [] if tensor.shape is None else tensor.shape
    return width * int(np.prod([max(1, int(n)) for n in shape], dtype=np.int64))
