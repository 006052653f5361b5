"""Mixed precision for the time of a training."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from kerakd import hardware


@contextmanager
def mixed_precision(model: keras.Model, dtype: str | None) -> Iterator[None]:
    """Let a float32 model compute in another dtype within this context.

    Weights stay float32, and so do the layers that give the model's outputs: the loss
    wants logits with all their digits. Afterwards every layer has the policy that it
    had, so that what is saved, exported or evaluated later computes in float32.

    Args:
        model: The network that is trained.
        dtype: `"float16"`, `"bfloat16"`, or `None` to change nothing.
    """
    if dtype is None:
        yield
        return
    hardware.warn_if_slow(dtype, "mixed_precision")
    policy = keras.DTypePolicy(f"mixed_{dtype}")
    outputs = set(getattr(model, "output_names", None) or ())
    before = []
    for layer in model._flatten_layers():
        if layer.dtype_policy.name == "float32" and layer.name not in outputs:
            before.append((layer, layer.dtype_policy))
            layer.dtype_policy = policy
    try:
        yield
    finally:
        for layer, old in before:
            layer.dtype_policy = old
        forget_traces(model)


def forget_traces(model: keras.Model) -> None:
    """Have a model's functions traced anew, in the dtype that it now has."""
    model.train_function = model.test_function = model.predict_function = None
