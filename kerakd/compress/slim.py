"""Leave out of an exported file what no runtime needs.

The converter names each tensor after all operations that were fused into it, some 150
bytes a tensor: of a small int8 file a twentieth. Scales, zero points and biases stay as
they are: LiteRT asks for a zero point with every scale ("must have same number"), and
XNNPACK takes no operator whose bias has no scale of its own.
"""

from typing import Any

import numpy as np

from kerakd.compress import flatbuffer as fb


def slim(flatbuffer: bytes) -> bytes:
    """Shorten names, and drop empty or repeated descriptions of tensors.

    What the file computes is untouched, to the bit. Activations keep the name of their
    layer, input and output theirs; constants are numbered. No two names are alike.

    Args:
        flatbuffer: A signed model with one input and one output.

    Returns:
        The same model in fewer bytes.
    """
    model = fb.read(flatbuffer)
    graph = model.subgraphs[0]
    kept = {int(i) for i in (*graph.inputs, *graph.outputs)}
    given = [_first(t) for i, t in enumerate(graph.tensors) if i not in kept]
    scopes = {name.split(b"/", 1)[0] for name in given if b"/" in name}
    taken = {bytes(graph.tensors[index].name) for index in kept}
    for index, tensor in enumerate(graph.tensors):
        if index not in kept:
            tensor.name = _short(model, tensor, index, len(scopes) == 1, taken)
            taken.add(tensor.name)
        _describe_once(tensor)
    for operator in graph.operators:
        operator.inputs = np.asarray(operator.inputs, np.int32)
        operator.outputs = np.asarray(operator.outputs, np.int32)
    return fb.write(model)


def _first(tensor: Any) -> bytes:
    """The first of the operations that were fused into what gives a tensor."""
    return bytes(tensor.name or b"").split(b";")[0]


def _short(model: Any, tensor: Any, index: int, scoped: bool, taken: set) -> bytes:
    if model.buffers[tensor.buffer].data is not None:
        name = b"c%d" % index
    else:
        name = _first(tensor) or b"t%d" % index
        if scoped:  # the model's own name stands before all others
            name = name.split(b"/", 1)[-1]
    return name if name not in taken else name + b"_%d" % index


def _describe_once(tensor: Any) -> None:
    """Arrays are stored once where they are equal; what says nothing is left out."""
    shape = None if tensor.shape is None else np.asarray(tensor.shape, np.int32)
    free = tensor.shapeSignature
    tensor.shape = shape
    if free is not None:
        free = np.asarray(free, np.int32)
        tensor.shapeSignature = None if np.array_equal(free, shape) else free
    quantization = tensor.quantization
    if quantization is None:
        return
    # Ranges from the calibration; what was made of them are scale and zero point.
    quantization.min = quantization.max = None
    if quantization.scale is None or len(quantization.scale) == 0:
        tensor.quantization = None
