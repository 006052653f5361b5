"""Scale channels so that each uses the whole range of its tensor's 8 bits.

Activations are quantised with one scale for all channels of a tensor, so a channel of
small values keeps few of the 256 steps. A factor for each channel moves freely between
the layers that write a tensor and those that read it, through whatever is linear in a
positive factor (Nagel et al. 2019, "Data-free quantization through weight equalization
and bias correction", section 4.1). Here the factors are taken from the ranges of
activations, and through residual sums too: the bottlenecks of a MobileNetV2 are linear,
and they were what int8 harmed most.
"""

import dataclasses
from typing import Any

import numpy as np

from kerakd.compress import flatbuffer as fb
from kerakd.compress.channels import channel_statistics

# A channel that is never seen to speak is not blown up beyond this.
_LARGEST = 64.0
# Below its clip ReLU6 is linear; values this much larger than any seen stay below.
_MARGIN = 1.25

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
# Operators that give a channel's values times s where they are given them times s.
_PASSING = ("ADD", "LEAKY_RELU", "MAX_POOL_2D")


@dataclasses.dataclass
class _Group:
    """Tensors that have to share their factors, with who writes and reads them."""

    tensors: set[int]
    writers: list[Any] = dataclasses.field(default_factory=list)
    readers: list[Any] = dataclasses.field(default_factory=list)
    clipped: bool = False


def equalise(flatbuffer: bytes, images: np.ndarray) -> tuple[bytes, int]:
    """Scale the channels of a float32 model for int8.

    Args:
        flatbuffer: A float32 model.
        images: float32 `(N, H, W, C)`, raw pixels, of which 48 are run.

    Returns:
        The model with scaled kernels, equal to rounding on values as seen in the
        images, and how many tensors were scaled.
    """
    model = fb.read(flatbuffer)
    fb.own_biases(model)
    groups = _groups(model)
    if not groups:
        return bytes(flatbuffer), 0
    wanted = sorted(set().union(*(group.tensors for group in groups)))
    ranges = channel_statistics(flatbuffer, images, wanted).largest
    constants = _Constants(model)
    for group in groups:
        _scale(group, ranges, constants)
    constants.store()
    return fb.write(model), sum(len(group.tensors) for group in groups)


def _groups(model: Any) -> list[_Group]:
    """Sets of tensors between convolutions that can be scaled together."""
    graph = model.subgraphs[0]
    writer, readers = {}, {}
    for operator in graph.operators:
        for index in map(int, operator.outputs):
            writer[index] = operator
        for index in map(int, operator.inputs):
            readers.setdefault(index, []).append(operator)
    outside = set(map(int, graph.outputs)) | set(map(int, graph.inputs))
    found, seen = [], set()
    for start, operator in writer.items():
        if start in seen or fb.kind(model, operator) not in _CONVOLUTIONS:
            continue
        group = _grow(model, start, writer, readers, outside)
        seen |= group.tensors if group else {start}
        if group and group.readers:
            found.append(group)
    return found


def _grow(model, start, writer, readers, outside) -> _Group | None:
    """The tensors that `start` ties together, or `None` where one cannot be scaled."""
    group, waiting = _Group(set()), [start]
    while waiting:
        index = waiting.pop()
        if index in group.tensors:
            continue
        if index in outside or index not in writer:
            return None
        group.tensors.add(index)
        operator = writer[index]
        name = fb.kind(model, operator)
        activation = fb.activation(operator)
        if name in _CONVOLUTIONS:
            if activation not in ("NONE", "RELU", "RELU6"):
                return None
            if name == "DEPTHWISE_CONV_2D" and not _one_to_one(model, operator):
                return None
            if len(operator.inputs) < 3 or not _own_constants(model, operator):
                return None
            group.clipped |= activation == "RELU6"
            group.writers.append(operator)
        elif name in _PASSING and activation in (None, "NONE", "RELU"):
            waiting += map(int, operator.inputs)
            if not _same_shapes(model, operator):
                return None
        else:
            return None
        for reader in readers.get(index, ()):
            kind = fb.kind(model, reader)
            if kind in _CONVOLUTIONS:
                if int(reader.inputs[0]) != index or not _own_constants(model, reader):
                    return None
                if kind == "DEPTHWISE_CONV_2D" and not _one_to_one(model, reader):
                    return None
                group.readers.append(reader)
            elif kind in _PASSING and fb.activation(reader) in (None, "NONE", "RELU"):
                waiting += [int(i) for i in reader.outputs]
            else:
                return None
    return group


def _own_constants(model: Any, operator: Any) -> bool:
    """Whether kernel and bias are float32 constants that no other operator reads."""
    return not any(
        fb.shared_or_variable(model, int(index)) for index in operator.inputs[1:]
    )


def _same_shapes(model: Any, operator: Any) -> bool:
    """Whether a sum adds maps of one shape; a constant or broadcast one does not."""
    if fb.kind(model, operator) != "ADD":
        return True
    tensors = model.subgraphs[0].tensors
    shapes = {tuple(tensors[int(i)].shape) for i in operator.inputs}
    return len(shapes) == 1


def _one_to_one(model: Any, operator: Any) -> bool:
    """Whether a depthwise convolution gives each channel once."""
    tensors = model.subgraphs[0].tensors
    given = tensors[int(operator.inputs[0])].shape[-1]
    return int(given) == int(tensors[int(operator.outputs[0])].shape[-1])


def _scale(group: _Group, ranges: dict, constants: "_Constants") -> None:
    reach = np.max([ranges[index] for index in group.tensors], axis=0)
    whole = reach.max()
    if not whole > 0:
        return
    target = 6.0 / _MARGIN if group.clipped else whole
    factors = np.clip(target / np.maximum(reach, 1e-12), 1.0, _LARGEST)
    # A power of two changes no digit of a weight.
    factors = 2.0 ** np.floor(np.log2(factors))
    for operator in group.writers:
        # Kernels are (out, h, w, in), depthwise ones (1, h, w, channels).
        axis = 0 if constants.outputs_first(operator) else -1
        constants.multiply(int(operator.inputs[1]), factors, axis)
        constants.multiply(int(operator.inputs[2]), factors, -1)
    for operator in group.readers:
        constants.multiply(int(operator.inputs[1]), 1 / factors, -1)


class _Constants:
    """Kernels and biases that are changed; a shared one gets its own copies."""

    def __init__(self, model: Any):
        self._model = model
        self._values: dict[int, np.ndarray] = {}

    def outputs_first(self, operator: Any) -> bool:
        return fb.kind(self._model, operator) == "CONV_2D"

    def multiply(self, index: int, factors: np.ndarray, axis: int) -> None:
        if index not in self._values:
            values = fb.constant(self._model, index)
            self._values[index] = values.astype(np.float64)
        values = self._values[index]
        shape = [1] * values.ndim
        shape[axis] = -1
        self._values[index] = values * factors.reshape(shape)

    def store(self) -> None:
        for index, values in self._values.items():
            fb.set_constant(self._model, index, values)
