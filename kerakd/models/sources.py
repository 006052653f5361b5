"""Where published weights come from, and how they are read into the models here."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerakd.errors import ModelError

Arrays = dict[str, list[np.ndarray]]
"""Layer name to the layer's weights, in Keras's order."""


class Source:
    """Published weights of one architecture.

    `reference` and `imagenet` give a model without head as its publisher has it;
    `convert` reads its weights into the names and conventions of the model here.
    """

    def reference(
        self, input_shape: tuple[int, int, int], options: dict[str, Any]
    ) -> keras.Model:
        """The publisher's model without head and with random weights."""
        raise ModelError("No weights are published for this model.")

    def imagenet(
        self, input_shape: tuple[int, int, int], options: dict[str, Any]
    ) -> keras.Model:
        """The publisher's model with its ImageNet weights.

        Raises:
            ModelError: They are not in the cache and cannot be downloaded.
        """
        raise ModelError("No ImageNet weights are published for this model.")

    def convert(self, reference: keras.Model) -> Arrays:
        """The weights of the publisher's model for the model here."""
        return arrays_of(reference)

    def adapt(self, arrays: Arrays, model: keras.Model) -> Arrays:
        """Fit what depends on the size of the picture to that of `model`."""
        return arrays


def arrays_of(model: keras.Model) -> Arrays:
    """The weights of each layer of a flat model, by name."""
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def keras_cache() -> Path:
    """The folder in which Keras looks for downloaded weights."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "models"


def first_line(error: Exception) -> str:
    """The beginning of an error's text, for a sentence of ours."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
