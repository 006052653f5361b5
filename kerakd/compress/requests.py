"""What may be exported, and how: refused before any work is done."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerakd.compress.backends import BACKENDS
from kerakd.compress.modes import MODES
from kerakd.errors import ModelError, RecipeError, nearest

if TYPE_CHECKING:
    import keras

# What a model's inputs are, and what an int8 file may take them as, the first by
# default: pixels are bytes; z-scores are made in float, on a phone too.
INPUTS = {"pixels": ("uint8", "int8"), "values": ("float32", "int8")}


def check_options(mode: str, path: Path, batch_size: int | None) -> None:
    """Refuse an unknown mode, another suffix than .tflite, a batch below 1."""
    if mode not in MODES:
        raise RecipeError(
            f"There is no export mode {mode!r}; valid modes are "
            f"{', '.join(map(repr, MODES))}. {nearest(mode, MODES)}"
        )
    if path.suffix != ".tflite":
        raise RecipeError(f"An exported file ends in .tflite; {path} does not.")
    if batch_size is not None and batch_size < 1:
        raise RecipeError(
            f"batch_size must be at least 1, or None for any, not {batch_size}."
        )


def check_integer_options(
    mode: str,
    backend: str,
    inputs: str,
    input_dtype: str | None,
    integer_only: bool,
    sensitive: Any,
) -> str:
    """Refuse what int8 does not know, and what excludes one another.

    Returns:
        The input's dtype.
    """
    backends = ("auto", *BACKENDS)
    if inputs not in INPUTS:
        raise RecipeError(
            f"There is no kind of inputs {inputs!r}; they are 'pixels' (0..255) or "
            f"'values' (such as z-scores). {nearest(inputs, INPUTS)}"
        )
    input_dtype = INPUTS[inputs][0] if input_dtype is None else input_dtype
    if backend not in backends:
        raise RecipeError(
            f"There is no backend {backend!r}. {nearest(backend, backends)}"
        )
    if input_dtype not in INPUTS[inputs]:
        raise RecipeError(
            f"An int8 file takes {' or '.join(INPUTS[inputs])} {inputs}, not "
            f"{input_dtype!r}."
        )
    if isinstance(sensitive, str) and sensitive != "auto":
        raise RecipeError(
            f'sensitive is "auto" or a list of layer names, not {sensitive!r}.'
        )
    if mode != "int8" and (sensitive or integer_only or backend != "auto"):
        raise RecipeError(
            f"backend, integer_only and sensitive belong to mode int8; mode is {mode}."
        )
    if sensitive and integer_only:
        raise RecipeError(
            "sensitive leaves layers in float and integer_only forbids that; choose "
            "one of them."
        )
    return input_dtype


def check_model(model: "keras.Model") -> tuple[int, int, int]:
    """The `(H, W, C)` that a model takes, if it can be exported at all."""
    import keras

    from kerakd.models import ends_in_logits
    from kerakd.models.graph import require_graph

    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"Export needs Keras on TensorFlow, not on {keras.backend.backend()}; set "
            "KERAS_BACKEND=tensorflow and load the model again."
        )
    require_graph(model)
    inputs, outputs = model.inputs, model.outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"Model {model.name!r} has {len(inputs)} inputs and {len(outputs)} "
            "outputs; export one with one of each: keras.Model(input, logits)."
        )
    shape = tuple(inputs[0].shape[1:])
    if len(shape) != 3 or None in shape:
        raise ModelError(
            f"Model {model.name!r} takes inputs of shape {shape}; an export needs a "
            "fixed (height, width, channels): build it with input_shape."
        )
    fits, reason = ends_in_logits(model)
    if not fits:
        raise ModelError(
            f"Model {model.name!r} does not end in logits ({reason}); export "
            "kerakd.models.with_logits(model)."
        )
    return shape


def check_class_names(names: Any, logits: int) -> list[str] | None:
    """Names for the logits: one each, or two for the single logit of a binary model."""
    if names is None:
        return None
    names = [str(name) for name in names]
    if len(names) != max(2, logits) or len(set(names)) != len(names):
        raise RecipeError(
            f"class_names must be {max(2, logits)} different names for a model with "
            f"{logits} logits, not {names}."
        )
    if any(not name.strip() or "\n" in name for name in names):
        raise RecipeError(f"class_names must be non-empty lines of text, not {names}.")
    return names


def check_json(key: str, value: dict[str, Any] | None) -> dict[str, Any] | None:
    """The value, if it can be stored as JSON."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{key} must be plain JSON values: {error}.") from None
    return value
