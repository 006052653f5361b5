"""Which layers int8 harms, and which of them are worth leaving in float."""

import dataclasses
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from kerakd.compress.backends import ConverterBackend
from kerakd.compress.flatbuffer import operator_names
from kerakd.compress.interpreter import LiteRTModel
from kerakd.compress.silence import quiet
from kerakd.errors import RecipeError, nearest

# How many images the error of each layer is averaged over.
_IMAGES = 16
_WORST, _FIRST = (2, 4, 8, 16), (5, 8, 11, 14, 20)
# Fewer float layers are preferred where more bring the error down by less than this.
_ABOUT_BEST = 1.1
# What float layers have to bring at least to be worth their time.
_WORTH = 0.9


@dataclasses.dataclass(frozen=True)
class Sensitive:
    """Layers that harm the logits.

    Attributes:
        tensors: Operators to be left in float, by the name of the tensor they give.
        layers: Of every operator, the worst first: `tensor`, `operator`,
            `relative_error` (root mean square error of its output over the standard
            deviation of that output, given equal inputs) and `error_in_steps` (over
            the quantisation step; 0.29 is rounding alone).
        trials: Mean error of the logits by what was left in float, such as
            `"the first 8"`.
        chosen: One of these.
    """

    tensors: tuple[str, ...]
    layers: list[dict[str, Any]]
    trials: dict[str, float]
    chosen: str

    def as_dict(self) -> dict[str, Any]:
        """The same, JSON-able."""
        return {
            "float_tensors": list(self.tensors),
            "layers": self.layers,
            "mean_abs_difference": self.trials,
            "chosen": self.chosen,
        }


def find_sensitive(
    flatbuffer: bytes, images: np.ndarray, judged: np.ndarray, expected: np.ndarray
) -> Sensitive:
    """Rank layers by their error and leave in float those where it helps.

    The errors are those of TensorFlow's QuantizationDebugger. The worst 2, 4, 8 and 16
    operators are left in float in turn, and the first 5, 8, 11, 14 and 20 of the graph:
    what goes wrong early is carried through all that follows, and between two operators
    in float nothing is rounded. The fewest are taken with which the mean error of the
    logits is within 10% of the smallest that was reached, and none where that is not at
    least 10% below the error of full int8.

    Args:
        flatbuffer: A signed float32 model.
        images: float32 `(N, H, W, C)`, raw pixels, for calibration.
        judged: Images on which the trials are compared.
        expected: Logits that they should give.
    """
    engine = ConverterBackend(flatbuffer, images)
    layers = _layer_errors(engine, flatbuffer, images)
    worst = [layer["tensor"] for layer in layers]
    first = [tensor for _, tensor in operator_names(flatbuffer)]
    choices: dict[str, list[str]] = {"none": []}
    for count in sorted({*_WORST, *_FIRST}):
        for name, row in (("worst", worst), ("first", first)):
            wanted = _WORST if name == "worst" else _FIRST
            if count in wanted and count < len(row):
                choices[f"the {name} {count}"] = row[:count]

    trials = {}
    for name, tensors in choices.items():
        given = LiteRTModel.from_content(engine.quantize((), tensors))(judged)
        trials[name] = float(np.abs(given - expected).mean())
    best = min(trials.values())
    # In the order of their numbers, so that the fewest come first.
    chosen = next(n for n, error in trials.items() if error <= _ABOUT_BEST * best)
    if trials[chosen] > _WORTH * trials["none"]:
        chosen = "none"
    return Sensitive(tuple(choices[chosen]), layers, trials, chosen)


def tensors_of(flatbuffer: bytes, layers: Iterable[str]) -> tuple[str, ...]:
    """The tensors that Keras layers give in a converted model.

    Raises:
        RecipeError: A layer has no operator of its own name in the model.
    """
    tensors = [tensor for _, tensor in operator_names(flatbuffer)]
    # A fused operator's name lists its parts: "model/a/conv;model/a_bn/add;...".
    parts = {
        tensor: {piece for part in tensor.split(";") for piece in part.split("/")}
        for tensor in tensors
    }
    found: list[str] = []
    for layer in layers:
        # Tracing numbers the scopes: layer "conv" is "conv_1" there, "conv_1" is
        # "conv_1_1"; so a name as it stands comes last.
        numbered = re.compile(re.escape(layer) + r"_\d+")
        of_layer = [t for t in tensors if any(map(numbered.fullmatch, parts[t]))]
        of_layer = of_layer or [t for t in tensors if layer in parts[t]]
        if not of_layer:
            known = sorted(set().union(*parts.values()))
            raise RecipeError(
                f"sensitive: no operator of layer {layer!r} is in the exported graph. "
                f"{nearest(layer, known)}"
            )
        found += of_layer
    return tuple(dict.fromkeys(found))


def _layer_errors(
    engine: ConverterBackend, flatbuffer: bytes, images: np.ndarray
) -> list[dict[str, Any]]:
    """The error of each operator on equal inputs, the worst first."""
    import tensorflow as tf

    def relative(expected, given, scale, zero_point):
        difference = scale * (given.astype(np.int32) - zero_point) - expected
        return _rms(difference) / (float(expected.std()) or 1.0)

    def in_steps(expected, given, scale, zero_point):
        difference = scale * (given.astype(np.int32) - zero_point) - expected
        return _rms(difference) / scale

    chosen = images[np.linspace(0, len(images) - 1, _IMAGES).astype(int)]
    with quiet():
        debugger = tf.lite.experimental.QuantizationDebugger(
            quant_debug_model_content=engine.quantize_verifying(),
            debug_dataset=lambda: ([image[None]] for image in chosen),
            debug_options=tf.lite.experimental.QuantizationDebugOptions(
                layer_direct_compare_metrics={
                    "relative_error": relative,
                    "error_in_steps": in_steps,
                }
            ),
        )
        debugger.run()
    kinds = {tensor: kind for kind, tensor in operator_names(flatbuffer)}
    rows = []
    for name, values in debugger.layer_statistics.items():
        tensor = _known(name.removeprefix("NumericVerify/").rpartition(":")[0], kinds)
        rows.append(
            {
                "tensor": tensor,
                "operator": kinds.get(tensor, ""),
                "relative_error": float(values["relative_error"]),
                "error_in_steps": float(values["error_in_steps"]),
            }
        )
    return sorted(rows, key=lambda row: -row["relative_error"])


def _known(name: str, tensors: Iterable[str]) -> str:
    """The tensor of that name; in verifying models names are made unique by digits."""
    known = set(tensors)
    while name not in known and name[-1:].isdigit():
        name = name[:-1]
    return name


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
