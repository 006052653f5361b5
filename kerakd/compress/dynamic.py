"""Kernels in 8 bits, activations float: the converter's file, mended.

The converter rounds each value of a kernel on its own. Here kernels are rounded so that
their errors cancel on real images (see `rounding`), where there are some and it helps.
And what it leaves to slow code outside of XNNPACK, such as depthwise convolutions on
8-bit kernels, gets its kernel unpacked once, when the file is loaded.
"""

from typing import Any

import numpy as np

from kerakd.compress import flatbuffer as fb
from kerakd.compress.flatbuffer import schema
from kerakd.compress.interpreter import LiteRTModel
from kerakd.compress.rewrites import unpacking
from kerakd.compress.rounding import round_kernels

# Fewer images say too little of how inputs go together.
_LEAST = 32
_JUDGED = 64
# How much nearer rounded kernels have to bring the logits.
_WORTH = 0.95


def mend(
    flatbuffer: bytes, reference: bytes, images: np.ndarray | None
) -> tuple[bytes, dict[str, Any]]:
    """A dynamic-range model nearer to its float model, and in fewer pieces.

    Args:
        flatbuffer: As the converter makes it.
        reference: The same network in float32.
        images: float32 `(N, H, W, C)`, as the model takes them; None for none.

    Returns:
        The model, and `prepared` for its report: the form that was chosen and the mean
        logit error of each.
    """
    forms = {"as it is": _unpacked(flatbuffer)}
    if images is None or len(images) < _LEAST:
        return forms["as it is"], {"chosen": "as it is", "mean_abs_difference": {}}
    rounded, layers = round_kernels(reference, images)
    if layers:
        forms["kernels rounded together"] = _unpacked(_grafted(flatbuffer, rounded))
    judged = images[:_JUDGED]
    expected = LiteRTModel.from_content(reference)(judged)
    errors = {
        form: float(np.abs(LiteRTModel.from_content(one)(judged) - expected).mean())
        for form, one in forms.items()
    }
    best = "as it is"
    for form, error in errors.items():
        if error < _WORTH * errors[best]:
            best = form
    return forms[best], {"chosen": best, "mean_abs_difference": errors}


def _grafted(flatbuffer: bytes, rounded: bytes) -> bytes:
    """The 8-bit kernels replaced by those of a float model that lie on their grid."""
    model, source = fb.read(flatbuffer), fb.read(rounded)
    fb.own_biases(model)
    tensors = model.subgraphs[0].tensors
    twins = {
        bytes(source.subgraphs[0].tensors[int(op.outputs[0])].name): op
        for op in source.subgraphs[0].operators
    }
    for operator in model.subgraphs[0].operators:
        twin = twins.get(bytes(tensors[int(operator.outputs[0])].name))
        if twin is None or len(operator.inputs) < 3 or len(twin.inputs) < 3:
            continue
        kernel = tensors[int(operator.inputs[1])]
        values = fb.constant(source, int(twin.inputs[1]))
        bias = fb.constant(source, int(twin.inputs[2]))
        if kernel.type != schema.TensorType.INT8 or values is None or bias is None:
            continue
        if [int(n) for n in kernel.shape] != list(values.shape):
            continue
        scale = np.asarray(kernel.quantization.scale, np.float64)
        shape = [1] * values.ndim
        shape[int(kernel.quantization.quantizedDimension)] = -1
        steps = np.clip(np.rint(values / scale.reshape(shape)), -127, 127)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(steps.astype(np.int8).tobytes(), np.uint8)
        model.buffers.append(buffer)
        kernel.buffer = len(model.buffers) - 1
        fb.set_constant(model, int(operator.inputs[2]), bias)
    fb.forget_unused_buffers(model)
    return fb.write(model)


def _unpacked(flatbuffer: bytes) -> bytes:
    """The model with fewer partitions, where unpacking kernels brings that."""
    before = LiteRTModel.from_content(flatbuffer).operators()
    model = fb.read(flatbuffer)
    graph = model.subgraphs[0]
    added, done = [], set()
    for operator in graph.operators:
        if fb.kind(model, operator) not in before["outside_xnnpack"]:
            continue
        index = int(operator.inputs[1]) if len(operator.inputs) > 1 else -1
        tensor = graph.tensors[index]
        constant = model.buffers[tensor.buffer].data is not None
        if index < 0 or index in done or tensor.type != schema.TensorType.INT8:
            continue
        if constant:
            stored = fb.tensor_like(tensor, bytes(tensor.name) + b"_int8")
            stored.quantization, stored.buffer = tensor.quantization, tensor.buffer
            tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
            added.append(unpacking(model, stored, index))
            done.add(index)
    if not added:
        return flatbuffer
    graph.operators = added + list(graph.operators)
    content = fb.write(model)
    after = LiteRTModel.from_content(content).operators()
    return content if _pieces(after) < _pieces(before) else flatbuffer


def _pieces(inspection: dict[str, Any]) -> tuple[int, int]:
    outside = inspection["outside_xnnpack"]
    return inspection["partitions"] or 10**6, sum(outside.values())
