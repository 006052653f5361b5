"""A teacher's copy that computes in another dtype."""

import keras

from kerakd.errors import ModelError, RecipeError
from kerakd.models.graph import is_functional, producer

DTYPES = ("bfloat16", "float16")
# They see pixels or give logits, where eight significant bits are too few.
_KEPT = (keras.layers.Rescaling, keras.layers.Normalization, keras.layers.InputLayer)


def check(dtype: str | None) -> None:
    """Refuse what is no dtype for a teacher.

    Raises:
        RecipeError: It is neither `None` nor one of `DTYPES`.
    """
    if dtype is not None and dtype not in DTYPES:
        raise RecipeError(
            f"`teacher_dtype` must be 'bfloat16', 'float16' or None (as it is); got "
            f"{dtype!r}."
        )


def in_dtype(model: keras.Model, dtype: str | None) -> keras.Model:
    """The teacher itself, or a copy whose weights and computation are of a dtype.

    Layers that scale pixels and those that give the outputs stay as they are. The copy
    is made of the weights of now.

    Args:
        model: The teacher; it is not changed.
        dtype: See `DTYPES`; `None` for the teacher itself.

    Raises:
        ModelError: The model is subclassed and cannot be copied layer by layer.
    """
    if dtype is None:
        return model
    if not is_functional(model):
        raise ModelError(
            f"`teacher_dtype` needs a functional or Sequential teacher, and "
            f"{model.name!r} is {type(model).__name__}; leave `teacher_dtype` out."
        )
    outputs = _output_layers(model)

    def copied(layer):
        config = layer.get_config()
        if not isinstance(layer, _KEPT) and layer not in outputs:
            config["dtype"] = dtype
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=copied, recursive=True)
    for new, old in zip(copy.weights, model.weights, strict=True):
        new.assign(keras.ops.cast(old.value, new.dtype))
    copy.trainable = False
    return copy


def _output_layers(model: keras.Model) -> set:
    """The layers that give the outputs, those inside a nested model included."""
    found = set()
    for tensor in model.outputs:
        operation = producer(tensor).operation
        nested = is_functional(operation)
        found |= _output_layers(operation) if nested else {operation}
    return found
