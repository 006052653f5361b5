"""A teacher's copy that computes in another dtype."""

from collections.abc import Iterable

import keras

from kerakd import hardware
from kerakd.errors import ModelError, RecipeError
from kerakd.models.folding import Folded, foldable, folded_weights
from kerakd.models.graph import is_functional, producer

# Of how the copy is made: a cache of an older copy's answers is another cache.
VERSION = 2
DTYPES = ("bfloat16", "float16", "float32")
# They see pixels or give logits, where eight significant bits are too few.
_KEPT = (keras.layers.Rescaling, keras.layers.Normalization, keras.layers.InputLayer)


def check(dtype: str | None) -> None:
    """Refuse what is no dtype for a teacher.

    Raises:
        RecipeError: It is neither `None` nor one of `DTYPES`.
    """
    if dtype is not None and dtype not in DTYPES:
        raise RecipeError(
            f"`teacher_dtype` must be one of {', '.join(map(repr, DTYPES))}, or None "
            f"(as it is); got {dtype!r}."
        )


def in_dtype(
    model: keras.Model, dtype: str | None, layers: Iterable[str] = ()
) -> keras.Model:
    """The teacher itself, or a copy whose weights and computation are of a dtype.

    Layers that scale pixels and those that give the outputs stay as they are. Batch
    normalisation that follows a convolution goes into its weights, before they are
    rounded: on a CPU it takes as long as the convolutions do in bfloat16. The copy is
    made of the weights of now. `"float32"` is folded and no more: its logits differ in
    the last digits.

    Args:
        model: The teacher; it is not changed.
        dtype: See `DTYPES`; `None` for the teacher itself.
        layers: Names of layers that are tapped; they give what they gave.

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
    hardware.warn_if_slow(dtype, "teacher_dtype")
    outputs = _output_layers(model)
    folded = foldable(model, layers)
    gone = set(folded.values())
    made = []

    def copied(layer):
        config = layer.get_config()
        if not isinstance(layer, _KEPT) and layer not in outputs:
            config["dtype"] = dtype
        if layer in gone:
            return Folded(name=layer.name, dtype=config["dtype"])
        if layer in folded:
            config["use_bias"] = True
        made.append((layer, type(layer).from_config(config)))
        return made[-1][1]

    copy = keras.models.clone_model(model, clone_function=copied, recursive=True)
    for old, new in made:
        weights = (
            folded_weights(old, folded[old])
            if old in folded
            else [w.value for w in old.weights]
        )
        for variable, value in zip(new.weights, weights, strict=True):
            variable.assign(keras.ops.cast(value, variable.dtype))
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
