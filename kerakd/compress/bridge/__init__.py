"""The bridge from Keras 3 to tf_keras, where TFMOT lives, and back."""

from kerakd.compress.bridge.convert import from_tf_keras, to_tf_keras

__all__ = ["from_tf_keras", "to_tf_keras"]
