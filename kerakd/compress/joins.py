"""Give the tensors that a concatenation joins ranges that are alike.

What goes into a concatenation in 8 bits and what comes out share one scale. In a U-Net
the map that comes up is often ten times as large as the skip beside it: the skip, and
all of the encoder that reads the same tensor, is left with a tenth of its 256 steps. A
map that is written by a convolution for the concatenation alone can be scaled, channel
by channel, if those that read the concatenation scale it back (the factors of Nagel et
al. 2019, "Data-free quantization", section 4.1).
"""

import dataclasses
from typing import Any

import numpy as np

from kerakd.compress import flatbuffer as fb
from kerakd.compress.channels import channel_statistics

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
# Of the skip's range, which then is half as wide again: both lose about half a bit.
_SHARE = 0.5
# A channel that is never seen to speak is not blown up beyond this.
_LARGEST = 64.0


@dataclasses.dataclass
class _Join:
    """A concatenation: which channels can be scaled, and who would scale them back.

    Attributes:
        fixed: Tensors that others read, too.
        free: First channel in the concatenation, tensor and writer of those that only
            the concatenation reads.
        readers: Convolutions that read the concatenation.
    """

    fixed: list[int]
    free: list[tuple[int, int, Any]]
    readers: list[Any]


def balance_joins(flatbuffer: bytes, images: np.ndarray) -> tuple[bytes, int]:
    """Scale what concatenations join in a float32 model for int8.

    Args:
        flatbuffer: A float32 model.
        images: float32 `(N, H, W, C)`, as the model takes them, of which 48 are run.

    Returns:
        The model with scaled kernels, equal to rounding, and how many tensors were
        scaled.
    """
    model = fb.read(flatbuffer)
    fb.own_biases(model)
    joins = _joins(model)
    if not joins:
        return bytes(flatbuffer), 0
    wanted = {t for one in joins for t in one.fixed}
    wanted |= {t for one in joins for _, t, _ in one.free}
    reach = channel_statistics(flatbuffer, images, sorted(wanted)).largest
    for join in joins:
        target = _SHARE * max(float(reach[index].max()) for index in join.fixed)
        if not target > 0:
            continue
        for start, index, writer in join.free:
            factors = target / np.maximum(reach[index], 1e-12)
            factors = np.minimum(factors, _LARGEST)
            # A power of two changes no digit of a weight.
            factors = 2.0 ** np.floor(np.log2(factors))
            _, kernel, bias = _constants(model, writer)
            axis = -1 if fb.kind(model, writer) == "DEPTHWISE_CONV_2D" else 0
            _multiply(model, kernel, factors, axis, 0)
            _multiply(model, bias, factors, 0, 0)
            for reader in join.readers:
                _multiply(model, int(reader.inputs[1]), 1 / factors, -1, start)
    return fb.write(model), sum(len(join.free) for join in joins)


def _joins(model: Any) -> list[_Join]:
    graph = model.subgraphs[0]
    writer, readers = {}, {}
    for operator in graph.operators:
        for index in map(int, operator.outputs):
            writer[index] = operator
        for index in map(int, operator.inputs):
            readers.setdefault(index, []).append(operator)
    outputs = set(map(int, graph.outputs))
    found = []
    for operator in graph.operators:
        if fb.kind(model, operator) != "CONCATENATION" or not _by_channels(
            model, operator
        ):
            continue
        joined = int(operator.outputs[0])
        behind = readers.get(joined, [])
        if joined in outputs or not behind:
            continue
        if not all(_scales_back(model, one, joined) for one in behind):
            continue
        join, start = _Join([], [], behind), 0
        for index in map(int, operator.inputs):
            who = writer.get(index)
            alone = len(readers[index]) == 1 and index not in outputs
            if alone and who is not None and _linear(model, who):
                join.free.append((start, index, who))
            elif who is not None:
                join.fixed.append(index)
            start += int(graph.tensors[index].shape[-1])
        if join.free and join.fixed:
            found.append(join)
    return found


def _by_channels(model: Any, operator: Any) -> bool:
    given = model.subgraphs[0].tensors[int(operator.outputs[0])].shape
    options = operator.builtinOptions
    fused = fb.activation(operator) in (None, "NONE")
    return fused and options.axis in (-1, len(given) - 1)


def _scales_back(model: Any, reader: Any, index: int) -> bool:
    """Whether a reader's kernel can take up a factor for each channel that it reads."""
    if fb.kind(model, reader) not in _CONVOLUTIONS or int(reader.inputs[0]) != index:
        return False
    tensors = model.subgraphs[0].tensors
    taken = int(tensors[index].shape[-1])
    # Neither a grouped convolution nor one that gives a channel several times.
    if int(tensors[int(reader.inputs[1])].shape[-1]) != taken:
        return False
    return not any(fb.shared_or_variable(model, int(i)) for i in reader.inputs[1:])


def _linear(model: Any, operator: Any) -> bool:
    """Whether an operator gives a channel times s where its weights are times s."""
    found = _constants(model, operator)
    if found is None or fb.activation(operator) not in (None, "NONE", "RELU"):
        return False
    return not any(fb.shared_or_variable(model, index) for index in found[1:])


def _constants(model: Any, operator: Any) -> tuple[int, int, int] | None:
    """What an operator reads, its kernel and its bias, if it is a convolution."""
    kind, inputs = fb.kind(model, operator), list(map(int, operator.inputs))
    if kind == "TRANSPOSE_CONV" and len(inputs) == 4:
        return inputs[2], inputs[1], inputs[3]
    if kind in _CONVOLUTIONS and len(inputs) == 3:
        return inputs[0], inputs[1], inputs[2]
    return None


def _multiply(
    model: Any, index: int, factors: np.ndarray, axis: int, start: int
) -> None:
    """Scale a constant's slices along an axis, from one of them on."""
    values = np.moveaxis(fb.constant(model, index).astype(np.float64), axis, -1)
    values[..., start : start + len(factors)] *= factors
    fb.set_constant(model, index, np.moveaxis(values, -1, axis))
