"""What the channels of a float32 model's tensors hold, on real images."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerakd.compress import flatbuffer as fb
from kerakd.compress.silence import quiet

_IMAGES, _PLACES = 48, 256
_WIDEST = 1152


class ChannelStatistics(NamedTuple):
    """By tensor index, one value for each channel.

    Attributes:
        largest: Of the magnitudes.
        mean: Of the values.
    """

    largest: dict[int, np.ndarray]
    mean: dict[int, np.ndarray]


def channel_statistics(
    flatbuffer: bytes, images: np.ndarray, tensors: Iterable[int]
) -> ChannelStatistics:
    """Run a model on 48 of the images and look at its tensors.

    Args:
        flatbuffer: A float32 model.
        images: float32 `(N, H, W, C)`, raw pixels.
        tensors: Indices of activations, channels last.
    """
    tensors = list(tensors)
    largest: dict[int, np.ndarray] = {}
    mean: dict[int, np.ndarray] = {}
    count = min(_IMAGES, len(images))
    for interpreter in _runs(flatbuffer, images):
        for index in tensors:
            values = interpreter.get_tensor(index)
            values = values.reshape(-1, values.shape[-1])
            top = np.abs(values).max(axis=0)
            largest[index] = np.maximum(largest.get(index, 0), top)
            part = values.mean(axis=0, dtype=np.float64) / count
            mean[index] = mean.get(index, 0) + part
    return ChannelStatistics(largest, mean)


def patch_statistics(
    flatbuffer: bytes, images: np.ndarray, model: Any, layers: Sequence[Any]
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Mean and covariance of what convolutions see under their kernels.

    At most 256 places of each image are looked at, the same share of them at any size.

    Args:
        flatbuffer: A float32 model.
        images: float32 `(N, H, W, C)`, raw pixels.
        model: The same model, as `kerakd.compress.flatbuffer.read` gives it.
        layers: Operators CONV_2D and DEPTHWISE_CONV_2D of it, not dilated.

    Returns:
        For each layer of kernel `(h, w)` and `c` inputs: of CONV_2D mean
        `(h * w * c,)` and covariance of that size squared, of DEPTHWISE_CONV_2D the
        same for each channel alone, `(c, h * w)` and `(c, h * w, h * w)`. Of kernels
        with more than 1,152 inputs the mean alone: their covariance takes gigabytes,
        and over so many inputs errors of rounding cancel by themselves.
    """
    sums: list[list] = [[0, 0.0, 0.0] for _ in layers]
    random = np.random.default_rng(0)
    for interpreter in _runs(flatbuffer, images):
        for total, operator in zip(sums, layers, strict=True):
            patches = _patches(interpreter, model, operator, random)
            total[0] += len(patches)
            if fb.kind(model, operator) == "CONV_2D":
                flat = patches.reshape(len(patches), -1)
                total[1] = total[1] + flat.sum(axis=0)
                if flat.shape[1] <= _WIDEST:
                    total[2] = total[2] + flat.T @ flat
                else:
                    total[2] = None
            else:
                by_channel = patches.transpose(2, 1, 0)  # (c, h * w, places)
                total[1] = total[1] + by_channel.sum(axis=2)
                total[2] = total[2] + by_channel @ by_channel.transpose(0, 2, 1)
    found = []
    for count, total, squares in sums:
        mean = total / count
        if squares is None:
            found.append((mean, None))
            continue
        outer = mean[..., :, None] * mean[..., None, :]
        found.append((mean, squares / count - outer))
    return found


def _patches(interpreter, model, operator, random) -> np.ndarray:
    """Inputs of a convolution at some of its places, `(places, h * w, channels)`."""
    values = interpreter.get_tensor(int(operator.inputs[0])).astype(np.float64)
    tensors = model.subgraphs[0].tensors
    height, width = (int(n) for n in tensors[int(operator.inputs[1])].shape[1:3])
    options = operator.builtinOptions
    _, rows, columns, _ = (int(n) for n in tensors[int(operator.outputs[0])].shape)
    strides = (options.strideH, options.strideW)
    if options.padding == fb.SAME:
        pads = []
        for extent, out, kernel, stride in zip(
            values.shape[1:3], (rows, columns), (height, width), strides, strict=True
        ):
            whole = max(0, (out - 1) * stride + kernel - extent)
            pads.append((whole // 2, whole - whole // 2))
        values = np.pad(values, [(0, 0), *pads, (0, 0)])
    chosen = random.integers(0, [rows, columns], (min(_PLACES, rows * columns), 2))
    image = random.integers(0, len(values), len(chosen))
    tops, lefts = chosen[:, 0] * strides[0], chosen[:, 1] * strides[1]
    parts = [
        values[image, tops + y, lefts + x] for y in range(height) for x in range(width)
    ]
    return np.stack(parts, axis=1)


def _runs(flatbuffer: bytes, images: np.ndarray) -> Iterator[Any]:
    """An interpreter that keeps all tensors, after each of 48 images."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with quiet():
        interpreter = Interpreter(
            model_content=flatbuffer,
            num_threads=2,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=(
                OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
        )
        interpreter.allocate_tensors()
    taken = interpreter.get_input_details()[0]
    rows = np.linspace(0, len(images) - 1, min(_IMAGES, len(images))).astype(int)
    for image in images[rows]:
        batch = np.broadcast_to(image, taken["shape"])
        interpreter.set_tensor(taken["index"], np.ascontiguousarray(batch))
        interpreter.invoke()
        yield interpreter
