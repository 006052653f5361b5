"""Where in a legacy graph tensors are quantised.

LiteRT fuses a convolution, its BatchNorm and its ReLU into one operator, so nothing may
be quantised between them; a concatenation has one scale for all, so its inputs take
the scale of its output. Everything else that computes has a range of its own. TFMOT
finds these places by rewriting the graph, which takes a minute for MobileNetV3 and
does not end for a separable U-Net; here they are read off the graph.
"""

from typing import Any

from kerakd.compress.aware.configs import FIXED, kinds
from kerakd.errors import ModelError

_WEIGHTED = {"Conv2D", "DepthwiseConv2D", "Conv2DTranspose", "Dense"}
_FOLDING = {"Conv2D", "DepthwiseConv2D", "Dense"}
# These take a following ReLU into themselves.
_FUSING = _WEIGHTED | {"BatchNormalization", "Add", "Multiply", "Rescaling"}
# What goes in comes out, elsewhere: no range of its own.
_PASSING = {
    "Cropping2D", "Dropout", "Flatten", "GaussianDropout", "GaussianNoise",
    "GlobalMaxPooling2D", "MaxPooling2D", "Permute", "Reshape", "SpatialDropout2D",
    "ZeroPadding2D",
}  # fmt: skip
_COMPUTING = {
    "Add", "Average", "AveragePooling2D", "BatchNormalization", "Concatenate", "ELU",
    "GlobalAveragePooling2D", "LeakyReLU", "Maximum", "Minimum", "Multiply", "PReLU",
    "ReLU", "Rescaling", "Resizing", "Softmax", "Subtract", "UpSampling2D",
}  # fmt: skip


class Placement:
    """Says of each layer of a legacy model how it is quantised.

    Args:
        model: A functional `tf_keras.Model` that `to_tf_keras` made.

    Raises:
        ModelError: A layer has no 8-bit form; it is named.
    """

    def __init__(self, model: Any):
        self._consumers: dict[str, list] = {layer.name: [] for layer in model.layers}
        self._parents: dict[str, list] = {layer.name: [] for layer in model.layers}
        for layer in model.layers:
            for node in layer._inbound_nodes:
                for parent in _flat(node.inbound_layers):
                    self._consumers[parent.name].append(layer)
                    self._parents[layer.name].append(parent)
        for layer in model._output_layers:
            self._consumers[layer.name].append(None)
        for layer in model.layers:
            self._check(layer)

    def config(self, layer: Any) -> Any:
        """TFMOT's `QuantizeConfig` of a layer; `None` where nothing is quantised."""
        kind = type(layer).__name__
        if kind in _PASSING or kind == "InputLayer":
            return None
        known = kinds()
        weights = {}
        if kind in known.kernel:
            name, quantizer = known.kernel[kind]
            weights = {name: quantizer()}
        output = None
        if kind == "Activation" or kind == "Softmax":
            name = "softmax" if kind == "Softmax" else layer.activation.__name__
            output = known.fixed(*FIXED[name]) if name in FIXED else known.moving()
        elif self._has_own_range(layer, kind):
            output = known.moving()
        return known.LayerConfig(weights, output)

    def _has_own_range(self, layer: Any, kind: str) -> bool:
        behind = self._consumers[layer.name]
        if len(behind) != 1 or behind[0] is None:
            return True
        (follower,) = behind
        after = type(follower).__name__
        if after == "BatchNormalization" and kind in _FOLDING:
            return False
        if after == "Concatenate":
            return False
        return not (kind in _FUSING and _is_clamp(follower))

    def _check(self, layer: Any) -> None:
        kind = type(layer).__name__
        if kind in _WEIGHTED | _PASSING | _COMPUTING | {"InputLayer"}:
            if kind == "BatchNormalization":
                self._check_batch_norm(layer)
            return
        if kind == "Activation" and layer.activation.__name__ in (*FIXED, "elu"):
            return
        what = layer.activation.__name__ if kind == "Activation" else kind
        raise ModelError(
            f"The layer {_own_name(layer)!r} ({what}) has no 8-bit form in LiteRT; "
            "build the model without it, or quantise it after training with "
            "kerakd.compress.quantize."
        )

    def _check_batch_norm(self, layer: Any) -> None:
        parents = self._parents[layer.name]
        if all(
            type(parent).__name__ in _FOLDING and len(self._consumers[parent.name]) == 1
            for parent in parents
        ):
            return
        raise ModelError(
            f"The layer {_own_name(layer)!r} is a BatchNormalization that does not "
            f"follow a convolution (it follows {type(parents[0]).__name__}), so it "
            "folds into none and would stay in float; put it behind one, or quantise "
            "the model after training with kerakd.compress.quantize."
        )


def _is_clamp(layer: Any) -> bool:
    """Whether a layer is a ReLU or ReLU6, which operators take into themselves."""
    return (
        type(layer).__name__ == "ReLU"
        and not layer.negative_slope
        and not layer.threshold
        and layer.max_value in (None, 6.0)
    )


def _own_name(layer: Any) -> str:
    """The name of the Keras 3 layer that a legacy layer stands for."""
    return layer.name.removeprefix("bridge_").split("__")[0]


def _flat(layers: Any) -> list:
    return list(layers) if isinstance(layers, list | tuple) else [layers]
