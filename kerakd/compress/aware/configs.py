"""What TFMOT is told to quantise of each legacy layer."""

import functools
from types import SimpleNamespace
from typing import Any

from kerakd.compress.bridge.legacy import tfmot

_DECAY = 0.99


@functools.cache
def kinds() -> SimpleNamespace:
    """Classes on TFMOT's interfaces, made when TFMOT is first needed.

    `LayerConfig(weights, output)` quantises a layer's kernels and what it gives;
    `Fixed` is a quantizer of a range that LiteRT prescribes.
    """
    keras = tfmot().quantization.keras
    from tensorflow_model_optimization.python.core.quantization.keras import (
        quant_ops,
        quantizers,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (  # noqa: E501
        default_8bit_quantizers as eight,
    )

    class LayerConfig(keras.QuantizeConfig):
        def __init__(self, weights: dict[str, Any], output: Any):
            self._weights, self._output = weights, output

        def get_weights_and_quantizers(self, layer):
            return [(getattr(layer, name), q) for name, q in self._weights.items()]

        def set_quantize_weights(self, layer, quantize_weights):
            for name, value in zip(self._weights, quantize_weights, strict=True):
                setattr(layer, name, value)

        def get_activations_and_quantizers(self, layer):
            return []

        def set_quantize_activations(self, layer, quantize_activations):
            pass

        def get_output_quantizers(self, layer):
            return [] if self._output is None else [self._output]

        def get_config(self):
            return {"weights": self._weights, "output": self._output}

    class Moving(quantizers.MovingAverageQuantizer):
        """TFMOT's, whose range follows in a hundred steps instead of a thousand."""

        def __call__(self, inputs, training, weights, **kwargs):
            return quant_ops.MovingAvgQuantize(
                inputs,
                weights["min_var"],
                weights["max_var"],
                ema_decay=_DECAY,
                is_training=training,
                num_bits=8,
            )

    def moving():
        return Moving(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)

    def fixed(low, high):
        return quantizers.FixedQuantizer(8, low, high, narrow_range=False)

    def dense():
        return quantizers.LastValueQuantizer(
            num_bits=8, per_axis=False, symmetric=True, narrow_range=True
        )

    return SimpleNamespace(
        LayerConfig=LayerConfig,
        moving=moving,
        fixed=fixed,
        kernel={
            "Conv2D": ("kernel", eight.Default8BitConvWeightsQuantizer),
            "DepthwiseConv2D": (
                "depthwise_kernel",
                eight.Default8BitConvWeightsQuantizer,
            ),
            "Conv2DTranspose": (
                "kernel",
                eight.Default8BitConvTransposeWeightsQuantizer,
            ),
            "Dense": ("kernel", dense),
        },
    )


# LiteRT's own ranges of what these give.
FIXED = {
    "sigmoid": (0.0, 255 / 256),
    "softmax": (0.0, 255 / 256),
    "tanh": (-1.0, 127 / 128),
}
