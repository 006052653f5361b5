"""A teacher's forward pass, compiled once by the backend that Keras runs on."""

from collections.abc import Callable
from typing import Any

import keras

from kerakd.distillation.taps import TappedModel


def compiled(model: TappedModel) -> Callable[[Any], tuple]:
    """The model in inference mode, as a function of a batch of pictures."""
    return _BY_BACKEND.get(keras.backend.backend(), _plain)(model)


def _plain(model: TappedModel) -> Callable:
    return lambda x: model(keras.ops.convert_to_tensor(x), training=False)


def _tensorflow(model: TappedModel) -> Callable:
    import tensorflow as tf

    return tf.function(
        lambda x: model(x, training=False), reduce_retracing=True, autograph=False
    )


def _jax(model: TappedModel) -> Callable:
    import jax

    variables = model.model.variables

    @jax.jit
    def forward(values, x):
        mapping = zip(variables, values, strict=True)
        with keras.StatelessScope(mapping):
            return model(x, training=False)

    # Weights go in as arguments: as constants they would be copied into the program.
    return lambda x: forward([variable.value for variable in variables], x)


def _torch(model: TappedModel) -> Callable:
    import torch

    plain = _plain(model)

    def forward(x):
        with torch.no_grad():
            return plain(x)

    return forward


_BY_BACKEND = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
