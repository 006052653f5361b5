"""A legacy network whose tensors are rounded to 8 bits while it learns."""

from typing import Any

import numpy as np

from kerakd.compress.aware.placement import Placement
from kerakd.compress.bridge.legacy import tf_keras, tfmot
from kerakd.compress.silence import quiet


def wrap(legacy: Any) -> tuple[Any, Any]:
    """Wrap the layers of a legacy network with TFMOT's quantisers.

    Args:
        legacy: What `to_tf_keras` returned.

    Returns:
        `(whole, inner)`: the network with a quantised input, and the part behind the
        input, whose layers are named `"quant_<name>"`.

    Raises:
        ModelError: A layer has no 8-bit form; it is named.
    """
    placement = Placement(legacy)
    keras = tf_keras()
    tfmot()
    from tensorflow_model_optimization.python.core.quantization.keras import (
        quantize_layer,
        quantize_wrapper,
        quantizers,
    )

    def wrapped(layer):
        twin = type(layer).from_config(layer.get_config())
        config = placement.config(layer)
        if config is None:
            return twin
        return quantize_wrapper.QuantizeWrapperV2(twin, config)

    with quiet():
        inner = keras.models.clone_model(legacy, clone_function=wrapped)
        _copy_weights(legacy, inner)
        images = keras.Input(batch_shape=inner.input_shape, name="images")
        entry = quantize_layer.QuantizeLayer(
            quantizers.AllValuesQuantizer(8, False, False, False), name="pixels"
        )
        whole = keras.Model(images, inner(entry(images)), name=legacy.name)
    return whole, inner


def _copy_weights(legacy: Any, inner: Any) -> None:
    for layer in legacy.layers:
        if layer.weights:
            twin = inner.get_layer(f"quant_{layer.name}")
            values = {_last(v.name): v for v in twin.weights}
            for variable in layer.weights:
                values[_last(variable.name)].assign(variable)


def _last(name: str) -> str:
    return name.split(":")[0].split("/")[-1]


def set_ranges(whole: Any, inner: Any, legacy: Any, images: np.ndarray) -> None:
    """Start every range where the float network's values lie.

    TFMOT starts at -6 to 6 and moves by a thousandth each step: a fine-tuning of some
    hundred steps would end with ranges that clip the first layers' pixels.

    Args:
        whole: `wrap`'s first.
        inner: `wrap`'s second.
        legacy: The float network, of the same names and weights.
        images: Some hundred images, `(N, H, W, C)`.
    """
    import tensorflow as tf

    wrappers = [
        layer for layer in inner.layers if getattr(layer, "_output_quantizers", None)
    ]
    wrappers = [w for w in wrappers if getattr(w, "_output_quantizer_vars", None)]
    outputs = []
    for wrapper in wrappers:
        layer = legacy.get_layer(wrapper.name.removeprefix("quant_"))
        nodes = range(len(layer._inbound_nodes))
        outputs.append([layer.get_output_at(i) for i in nodes])
    probe = tf_keras().Model(legacy.inputs, outputs)

    @tf.function(autograph=False)
    def limits(batch):
        found = probe(batch, training=False)
        found = [x if isinstance(x, list) else [x] for x in found]
        low = [tf.reduce_min([tf.reduce_min(x) for x in xs]) for xs in found]
        high = [tf.reduce_max([tf.reduce_max(x) for x in xs]) for xs in found]
        return tf.stack(low), tf.stack(high)

    rows = [limits(images[i : i + 16]) for i in range(0, len(images), 16)]
    low = np.mean([row[0] for row in rows], axis=0)
    high = np.mean([row[1] for row in rows], axis=0)
    for wrapper, least, most in zip(wrappers, low, high, strict=True):
        ranges = wrapper._output_quantizer_vars
        ranges["min_var"].assign(min(least, 0.0))
        ranges["max_var"].assign(max(most, 0.0))
    entry = whole.get_layer("pixels").quantizer_vars
    least, most = _pixel_range(images)
    entry["min_var"].assign(least)
    entry["max_var"].assign(most)
    refresh_kernels(inner)


def refresh_kernels(inner: Any) -> None:
    """Set the ranges of all kernels by what the kernels are now.

    In training they are those of the step before.
    """
    for layer in inner.layers:
        for weight, quantizer, ranges in getattr(layer, "_weight_vars", ()):
            quantizer(weight, True, weights=ranges)


def _pixel_range(images: np.ndarray) -> tuple[float, float]:
    """0..255 of raw pixels, so that a byte goes in as it is; else what was seen."""
    least, most = float(images.min()), float(images.max())
    if least >= 0 and 16 < most <= 255:
        return 0.0, 255.0
    return min(least, 0.0), max(most, 0.0)
