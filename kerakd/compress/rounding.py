"""Round kernels to 8 bits so that their errors cancel on real inputs.

A kernel rounded value by value answers its inputs with errors that add up: neighbouring
pixels are alike, and of MRI slices half are one black. Here each value takes up the
errors of those rounded before it, weighed by how the inputs go together (Frantar et al.
2022, "GPTQ", algorithm 1, per layer), and what is left of the mean error is taken off
the bias (Nagel et al. 2019, "Data-free quantization", section 4.2, with means measured
instead of assumed). The quantiser then finds kernels that lie on its grid already.
"""

import numpy as np

from kerakd.compress import flatbuffer as fb
from kerakd.compress.channels import patch_statistics

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_DAMPING = 0.01


def round_kernels(flatbuffer: bytes, images: np.ndarray) -> tuple[bytes, int]:
    """Put the kernels of a float32 model on the grid of 8 bits.

    Args:
        flatbuffer: A float32 model.
        images: float32 `(N, H, W, C)`, raw pixels, by which inputs are known.

    Returns:
        The model to quantise, and how many of its layers were rounded: convolutions
        with a bias whose kernel no other layer shares.
    """
    model = fb.read(flatbuffer)
    fb.own_biases(model)
    layers = [op for op in model.subgraphs[0].operators if _fits(model, op)]
    inputs = patch_statistics(flatbuffer, images, model, layers)
    for operator, (mean, covariance) in zip(layers, inputs, strict=True):
        _, kernel, bias = map(int, operator.inputs)
        values = fb.constant(model, kernel).astype(np.float64)
        if fb.kind(model, operator) == "CONV_2D":
            rows = values.reshape(len(values), -1)
            new = _rounded(rows, covariance)
            shift = (new - rows) @ mean
            new = new.reshape(values.shape)
        else:
            rows = values.reshape(-1, values.shape[-1]).T
            new = np.concatenate(
                [
                    _rounded(row[None], covariance[channel])
                    for channel, row in enumerate(rows)
                ]
            )
            shift = ((new - rows) * mean).sum(axis=1)
            new = new.T.reshape(values.shape)
        fb.set_constant(model, kernel, new)
        fb.set_constant(model, bias, fb.constant(model, bias) - shift)
    return fb.write(model), len(layers)


def _fits(model, operator) -> bool:
    kind = fb.kind(model, operator)
    if kind not in _CONVOLUTIONS or len(operator.inputs) < 3:
        return False
    if any(fb.shared_or_variable(model, int(i)) for i in operator.inputs[1:]):
        return False
    tensors = model.subgraphs[0].tensors
    taken, given = (
        int(tensors[int(index)].shape[-1])
        for index in (operator.inputs[0], operator.outputs[0])
    )
    options = operator.builtinOptions
    undilated = options.dilationHFactor == options.dilationWFactor == 1
    if kind == "DEPTHWISE_CONV_2D":
        return undilated and taken == given
    kernel = tensors[int(operator.inputs[1])].shape
    return undilated and int(kernel[-1]) == taken  # no grouped convolution


def _rounded(rows: np.ndarray, covariance: np.ndarray | None) -> np.ndarray:
    """Rows on their grids, one scale each, so that errors cancel.

    Args:
        rows: `(outputs, d)`.
        covariance: Of the d inputs, `(d, d)`; `None` rounds each value on its own.
    """
    scale = np.abs(rows).max(axis=1) / 127
    scale = np.where(scale > 0, scale, 1.0)
    if covariance is None:
        return np.rint(rows / scale[:, None]) * scale[:, None]
    count = rows.shape[1]
    spread = float(np.trace(covariance)) / count
    if not spread > 0:
        spread = 1.0
    damped = covariance + _DAMPING * spread * np.eye(count)
    # The inputs that speak loudest first, while the others can still make up for them.
    order = np.argsort(-np.diag(damped), kind="stable")
    upper = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    work = rows[:, order].copy()
    steps = np.empty_like(work)
    for column in range(count):
        steps[:, column] = np.clip(np.rint(work[:, column] / scale), -127, 127)
        error = (work[:, column] - steps[:, column] * scale) / upper[column, column]
        work[:, column + 1 :] -= np.outer(error, upper[column, column + 1 :])
    back = np.empty_like(steps)
    back[:, order] = steps
    # The quantiser finds the same scale only if the largest value stays what it was.
    largest = np.abs(rows).argmax(axis=1)
    places = np.arange(len(rows))
    back[places, largest] = 127 * np.sign(rows[places, largest])
    return back * scale[:, None]
