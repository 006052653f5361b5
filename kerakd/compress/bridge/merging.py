"""Layers and operations that join tensors, and arithmetic with constants."""

import keras
import numpy as np

from kerakd.compress.bridge.normalisation import rescale
from kerakd.compress.bridge.table import layer, operation, options
from kerakd.errors import ModelError


@layer("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")
def merge(scope, owner, inputs):
    options(owner)
    return scope.call(type(owner).__name__, owner, inputs)


@layer("Concatenate")
def concatenate(scope, owner, inputs):
    return scope.call("Concatenate", owner, inputs, **options(owner, keep=("axis",)))


@operation("Concatenate")
def concatenate_function(scope, owner, inputs):
    return scope.call("Concatenate", owner, inputs, axis=owner.axis)


@operation("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum", "Minimum")
def arithmetic(scope, owner, first, second):
    """Of two tensors a merging layer, of a tensor and a constant a rescaling."""
    kind = type(owner).__name__
    symbolic = [scope.is_symbolic(x) for x in (first, second)]
    if all(symbolic):
        if kind.endswith("Divide"):
            raise ModelError(_no_equal(owner, "a quotient of two tensors"))
        return scope.call(kind, owner, [first, second])
    tensor, other = (first, second) if symbolic[0] else (second, first)
    constant = np.asarray(keras.ops.convert_to_numpy(other), np.float64)
    if kind == "Add":
        return rescale(scope, owner, tensor, 1.0, constant)
    if kind == "Multiply":
        return rescale(scope, owner, tensor, constant, 0.0)
    if kind == "Subtract":
        sign = 1.0 if symbolic[0] else -1.0
        return rescale(scope, owner, tensor, sign, -sign * constant)
    if kind.endswith("Divide") and symbolic[0]:
        return rescale(scope, owner, tensor, 1 / constant, 0.0)
    if kind == "Maximum" and constant.size == 1 and constant == 0:
        return scope.call("ReLU", owner, tensor)
    raise ModelError(_no_equal(owner, f"{kind} with a constant"))


def _no_equal(owner: keras.Operation, what: str) -> str:
    return (
        f"The operation {owner.name!r} cannot cross to tf_keras: {what} has no equal "
        "that TFMOT takes; build the model without it."
    )
