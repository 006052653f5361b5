"""Read, change and write a LiteRT model; what its graph says of itself."""

import hashlib
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert.tools import flatbuffer_utils

schema = flatbuffer_utils.schema_fb

# The names by which LiteRT's signature runners ask for the tensors.
SIGNATURE, INPUT, OUTPUT = "serving_default", "images", "logits"

# DEQUANTIZE takes float16 from its third version on.
_VERSIONS = {schema.BuiltinOperator.DEQUANTIZE: 3}


def _names(enumeration: type) -> dict[int, str]:
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}


_KINDS = _names(schema.BuiltinOperator)
_ACTIVATIONS = _names(schema.ActivationFunctionType)
SAME = schema.Padding.SAME


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
        given = [int(i) for i in operator.inputs if int(i) >= 0]
        if not any(i in first for i in given):
            continue  # weights that are unpacked when the file is loaded
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
    return _KINDS.get(code_of(model.operatorCodes[operator.opcodeIndex]), "CUSTOM")


def activation(operator: Any) -> str | None:
    """The activation fused into an operator, or `None` where it can have none."""
    fused = getattr(operator.builtinOptions, "fusedActivationFunction", None)
    return None if fused is None else _ACTIVATIONS[fused]


def constant(model: Any, index: int) -> np.ndarray | None:
    """A copy of a float32 constant, or `None` where the tensor is none."""
    tensor = model.subgraphs[0].tensors[index]
    data = model.buffers[tensor.buffer].data
    if data is None or tensor.type != schema.TensorType.FLOAT32:
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
                twin = tensor_like(graph.tensors[index], graph.tensors[index].name)
                twin.buffer = graph.tensors[index].buffer
                twin.name = bytes(twin.name) + b"_%d" % len(graph.tensors)
                graph.tensors.append(twin)
                operator.inputs[place] = len(graph.tensors) - 1
            seen.add(index)


def set_constant(model: Any, index: int, values: np.ndarray) -> None:
    """Give a constant other values; others that shared its buffer keep theirs."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
    model.buffers.append(buffer)
    model.subgraphs[0].tensors[index].buffer = len(model.buffers) - 1
    forget_unused_buffers(model)


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
    signature = schema.SignatureDefT()
    signature.signatureKey = SIGNATURE
    signature.subgraphIndex = 0
    signature.inputs = [_named(INPUT, graph.inputs[0])]
    signature.outputs = [_named(OUTPUT, graph.outputs[0])]
    model.signatureDefs = [signature]
    for tensor in graph.tensors:
        if (
            tensor.quantization is not None
            and tensor.quantization.zeroPoint is not None
        ):
            zeros = np.asarray(tensor.quantization.zeroPoint, np.int64)
            tensor.quantization.zeroPoint = zeros
    builder = _SharingBuilder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


class _SharingBuilder(flatbuffers.Builder):
    """Stores equal vectors once.

    Each channel of an int8 kernel has a zero point of 8 bytes, all of them 0: a tenth
    of the file of a MobileNetV2.
    """

    def __init__(self, size: int):
        super().__init__(size)
        self._known: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x):
        key = (x.dtype.str, hashlib.sha256(np.ascontiguousarray(x)).digest())
        if key not in self._known:
            self._known[key] = super().CreateNumpyVector(x)
        return self._known[key]


def _named(name: str, tensor: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, int(tensor)
    return entry


def code_of(code: Any) -> int:
    """The operator that a code stands for, a value of `schema.BuiltinOperator`."""
    return flatbuffer_utils.get_builtin_code_from_operator_code(code)


def new_operator(
    model: Any, builtin: int, inputs: list[int], outputs: list[int]
) -> Any:
    """A new operator; its code is added to the model where it is new."""
    known = [code_of(code) for code in model.operatorCodes]
    if builtin not in known:
        code = schema.OperatorCodeT()
        code.builtinCode = builtin
        # Old readers look for codes up to 127 here.
        code.deprecatedBuiltinCode = min(builtin, 127)
        code.version = _VERSIONS.get(builtin, 1)
        model.operatorCodes.append(code)
        known.append(builtin)
    operator = schema.OperatorT()
    operator.opcodeIndex = known.index(builtin)
    operator.inputs, operator.outputs = inputs, outputs
    return operator


def forget_unused_codes(model: Any) -> None:
    """Drop operator codes without an operator, which some readers look up in vain."""
    used = sorted({op.opcodeIndex for g in model.subgraphs for op in g.operators})
    model.operatorCodes = [model.operatorCodes[index] for index in used]
    place = {index: position for position, index in enumerate(used)}
    for graph in model.subgraphs:
        for operator in graph.operators:
            operator.opcodeIndex = place[operator.opcodeIndex]


def forget_unused_buffers(model: Any) -> None:
    """Empty the buffers that no tensor and no metadata refer to."""
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or ()}
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None


def tensor_like(tensor: Any, name: bytes) -> Any:
    """An activation of the same shape and type."""
    new = schema.TensorT()
    new.name, new.shape, new.type = name, tensor.shape, tensor.type
    new.shapeSignature, new.hasRank = tensor.shapeSignature, tensor.hasRank
    new.buffer = 0
    return new


def _bytes_of(tensor: Any) -> int:
    width = {
        schema.TensorType.FLOAT32: 4,
        schema.TensorType.INT32: 4,
        schema.TensorType.INT64: 8,
        schema.TensorType.FLOAT16: 2,
        schema.TensorType.INT16: 2,
    }.get(tensor.type, 1)
    shape = [] if tensor.shape is None else tensor.shape
    return width * int(np.prod([max(1, int(n)) for n in shape], dtype=np.int64))
