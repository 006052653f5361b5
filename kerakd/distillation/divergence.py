"""The Kullback-Leibler divergence of two softmaxes, without cancellation."""

from typing import Any

from keras import ops

# exp of more than 88 is infinite in float32.
_LARGEST = 80.0


def divergence(
    teacher: Any, student: Any, temperature: Any, left_out: Any = None
) -> Any:
    """`KL(softmax(teacher / T) || softmax(student / T))` along the last axis.

    The sum of `p * (log p - log q)` adds terms of both signs that are far larger than
    their sum where the two are close, as at a high temperature: in float32 three
    digits are left of logits of 0.3 at T = 20. With `d` the difference of the logits
    less its mean under `p`, the divergence is `log(1 + sum p * (exp(d) - 1 - d))`, of
    which no term is negative.

    Args:
        teacher: Float logits `(..., classes)`.
        student: Logits of the same shape.
        temperature: Greater than 0.
        left_out: A mask of the classes that count in neither softmax, or `None`.

    Returns:
        Values of at least 0, shape `(...)`.
    """
    difference = (student - teacher) / temperature
    teacher, student = teacher / temperature, student / temperature
    if left_out is not None:
        difference = ops.where(left_out, 0.0, difference)
        # Far below any logit, and far from where float32 ends.
        teacher = ops.where(left_out, -1e30, teacher)
        student = ops.where(left_out, -1e30, student)
    share = ops.softmax(teacher, axis=-1)
    mean = ops.sum(share * difference, axis=-1, keepdims=True)
    difference = difference - mean
    if left_out is not None:
        difference = ops.where(left_out, 0.0, difference)
    near = ops.max(ops.abs(difference), axis=-1) < _LARGEST
    clipped = ops.clip(difference, -_LARGEST, _LARGEST)
    close = ops.log1p(ops.sum(share * _rest_of_exp(clipped), axis=-1))
    # Far apart nothing cancels, and log-softmax cannot overflow.
    logs = ops.log_softmax(teacher, axis=-1) - ops.log_softmax(student, axis=-1)
    if left_out is not None:
        logs = ops.where(left_out, 0.0, logs)
    far = ops.maximum(ops.sum(share * logs, axis=-1), 0.0)
    return ops.where(near, close, far)


def _rest_of_exp(x: Any) -> Any:
    """`exp(x) - 1 - x`, by its series where the difference would lose digits."""
    small = ops.abs(x) < 0.2
    y = ops.where(small, x, 0.0)
    series = 1.0 + y / 3 * (1.0 + y / 4 * (1.0 + y / 5 * (1.0 + y / 6)))
    return ops.where(small, 0.5 * y * y * series, ops.expm1(x) - x)
