"""Keras model in, flatbuffer of TensorFlow's converter out; pixels stay float."""

import re
from typing import TYPE_CHECKING

from kerakd.compress.flatbuffer import sign
from kerakd.compress.rewrites import halve_weights
from kerakd.compress.silence import quiet
from kerakd.errors import ModelError

if TYPE_CHECKING:
    import keras


def to_flatbuffer(
    model: "keras.Model", mode: str, shape: tuple[int | None, int, int, int]
) -> bytes:
    """Convert in silence.

    Args:
        model: A functional model, computing in float32.
        mode: `"float32"`, `"float16"` or `"dynamic"`.
        shape: Of the input; `None` in front for any batch.

    Returns:
        A flatbuffer with the signature `serving_default(images) -> logits`.

    Raises:
        ModelError: The converter refuses the model.
    """
    import tensorflow as tf

    def logits(images):
        return model(images, training=False)

    with quiet():
        # Autograph would leave generated source files in the temporary folder.
        function = tf.function(logits, autograph=False)
        concrete = function.get_concrete_function(
            tf.TensorSpec(shape, tf.float32, name="images")
        )
        # Without a second argument, as it freezes the weights into the graph; given a
        # Keras 3 model there, the converter leaves them outside of the file.
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        if mode == "dynamic":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        try:
            flatbuffer = sign(converter.convert())
        except Exception as error:  # its ConverterError has no public name
            if type(error).__name__ != "ConverterError":
                raise
            raise ModelError(_explain(error, model.name)) from error
    return halve_weights(flatbuffer) if mode == "float16" else flatbuffer


def _explain(error: Exception, name: str) -> str:
    """One sentence from the converter's pages."""
    lacking = sorted(set(re.findall(r"'tf\.(\w+)' op is neither", str(error))))
    if lacking:
        return (
            f"Model {name!r} uses operators that LiteRT lacks: {', '.join(lacking)}; "
            "build these layers from others."
        )
    line = (str(error).strip() or "it gives no reason").splitlines()[0]
    return f"The converter refuses model {name!r}: {line}"
