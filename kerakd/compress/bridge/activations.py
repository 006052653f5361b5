"""Activations, as layers and as the last step of other layers."""

from typing import Any

import keras

from kerakd.compress.bridge.scope import Scope
from kerakd.compress.bridge.table import layer, operation, options, refuse

# Equal under the same name in both.
_SAME = {
    "elu", "exponential", "selu", "sigmoid", "softmax", "softplus", "softsign", "tanh",
}  # fmt: skip


def activate(scope: Scope, owner: keras.Operation, x: Any, function: Any) -> Any:
    """Apply a Keras 3 activation function to a legacy tensor.

    It becomes a layer of its own: an activation inside of a convolution hides a
    tensor whose range quantisation has to know.

    Raises:
        ModelError: tf_keras and TFMOT have no equal.
    """
    name = _name_of(function)
    if name == "linear":
        return x
    if name == "relu":
        return scope.call("ReLU", owner, x, "relu")
    if name == "relu6":
        return scope.call("ReLU", owner, x, "relu6", max_value=6.0)
    if name == "leaky_relu":
        return scope.call("LeakyReLU", owner, x, "leaky", alpha=0.2)
    if name in ("silu", "swish"):
        gate = scope.call("Activation", owner, x, "sigmoid", activation="sigmoid")
        return scope.call("Multiply", owner, [x, gate], "silu")
    if name in ("hard_silu", "hard_swish"):
        # (x / 6) * relu6(x + 3): the converter makes HARD_SWISH, which the CPU
        # delegate does not take in 8 bits, of the other groupings.
        sixth = scope.call("Rescaling", owner, x, "sixth", scale=1 / 6)
        gate = scope.call("Rescaling", owner, x, "shift", scale=1.0, offset=3.0)
        gate = scope.call("ReLU", owner, gate, "relu6", max_value=6.0)
        return scope.call("Multiply", owner, [sixth, gate], "hard_silu")
    if name == "hard_sigmoid":
        # Keras 2 has 0.2 x + 0.5 under this name.
        gate = scope.call("Rescaling", owner, x, "shift", scale=1.0, offset=3.0)
        gate = scope.call("ReLU", owner, gate, "relu6", max_value=6.0)
        return scope.call("Rescaling", owner, gate, "sixth", scale=1 / 6)
    if name in _SAME or name == "gelu":
        return scope.call("Activation", owner, x, name, activation=name)
    return refuse(owner, "activation", name, "it has no equal there")


def _name_of(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


@layer("Activation")
def activation(scope, owner, x):
    return activate(scope, owner, x, owner.activation)


@layer("ReLU")
def relu(scope, owner, x):
    arguments = options(owner, keep=("max_value", "negative_slope", "threshold"))
    return scope.call("ReLU", owner, x, **arguments)


@layer("LeakyReLU")
def leaky_relu(scope, owner, x):
    arguments = options(owner, rename={"negative_slope": "alpha"})
    return scope.call("LeakyReLU", owner, x, **arguments)


@layer("PReLU")
def prelu(scope, owner, x):
    arguments = options(
        owner, keep=("alpha_regularizer", "alpha_constraint", "shared_axes")
    )
    return scope.call("PReLU", owner, x, **arguments)


@layer("ELU")
def elu(scope, owner, x):
    return scope.call("ELU", owner, x, **options(owner, keep=("alpha",)))


@layer("Softmax")
def softmax(scope, owner, x):
    return scope.call("Softmax", owner, x, **options(owner, keep=("axis",)))


_FUNCTIONS = {
    "Relu": "relu", "Relu6": "relu6", "Silu": "silu", "HardSilu": "hard_silu",
    "HardSigmoid": "hard_sigmoid", "Sigmoid": "sigmoid", "Tanh": "tanh",
    "Softplus": "softplus", "Softsign": "softsign", "Selu": "selu",
}  # fmt: skip


@operation(*_FUNCTIONS)
def function(scope, owner, x):
    wanted = getattr(keras.activations, _FUNCTIONS[type(owner).__name__])
    return activate(scope, owner, x, wanted)


@operation("LeakyRelu")
def leaky_function(scope, owner, x):
    return scope.call("LeakyReLU", owner, x, alpha=owner.negative_slope)


@operation("Softmax")
def softmax_function(scope, owner, x):
    return scope.call("Softmax", owner, x, axis=owner.axis)
