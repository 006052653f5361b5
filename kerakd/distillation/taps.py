"""One forward pass that yields a model's outputs and named features together."""

from collections.abc import Sequence
from typing import Any

import keras

from kerakd.errors import ModelError
from kerakd.models.graph import tapped_graph


class TappedModel:
    """A model that also hands out what some of its layers say.

    It holds the user's model and shares its layers, so one call moves BatchNorm once.
    A plain object, not a layer: Keras would otherwise track, save and freeze it.

    Args:
        model: Any `keras.Model`; functional or Sequential where layers are named.
        layer_names: Layers to tap, `"outer/inner"` inside nested models.
        role: "teacher" or "student", for errors.

    Raises:
        ModelError: A layer is unknown, or the model has no graph to tap.
    """

    def __init__(self, model: keras.Model, layer_names: Sequence[str], role: str):
        self.model = model
        self.layer_names = tuple(dict.fromkeys(layer_names))
        self._graph = self._build_graph(role) if self.layer_names else None

    def _build_graph(self, role: str) -> keras.Model:
        try:
            flat, taps = tapped_graph(self.model, self.layer_names)
        except ModelError as error:
            raise ModelError(f"The {role} cannot be tapped. {error}") from None
        return keras.Model(
            flat.input,
            {"outputs": flat.output, "taps": list(taps.values())},
            name=f"tapped_{role}",
        )

    @property
    def feature_shapes(self) -> dict[str, tuple]:
        """Shape of each tapped layer's output, batch first."""
        if self._graph is None:
            return {}
        taps = self._graph.output["taps"]
        return {
            name: tuple(tap.shape)
            for name, tap in zip(self.layer_names, taps, strict=True)
        }

    def __call__(self, x: Any, training: bool) -> tuple[Any, dict[str, Any]]:
        """Returns `(outputs, {layer name: features})`."""
        if self._graph is None:
            return self.model(x, training=training), {}
        answer = self._graph(x, training=training)
        features = dict(zip(self.layer_names, answer["taps"], strict=True))
        return answer["outputs"], features
