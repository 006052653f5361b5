"""What the translators share while one graph is replayed."""

from typing import Any

import keras

from kerakd.compress.bridge.legacy import tf_keras
from kerakd.errors import ModelError

# TFMOT gives layers that it makes automatic names ("depthwise_conv2d"), and never
# returns where a layer of the model has such a name already.
PREFIX = "bridge_"
_SUFFIX = "__"


def legacy_name(name: str, suffix: str = "") -> str:
    """The name of the legacy layer that stands for (a part of) a layer."""
    return PREFIX + name.replace("/", "_") + (_SUFFIX + suffix if suffix else "")


class Scope:
    """Makes and calls legacy layers.

    Attributes:
        keras: The package tf_keras.
    """

    def __init__(self):
        self.keras = tf_keras()
        self._layers: dict[tuple[int, str], Any] = {}
        self._names: set[str] = set()

    def call(
        self,
        kind: str | type,
        operation: keras.Operation,
        inputs: Any,
        suffix: str = "",
        **arguments: Any,
    ) -> Any:
        """Call the legacy layer that stands for an operation.

        A layer with weights is made once and called again; others are made for each
        call, since TFMOT takes no layer that is called twice.

        Args:
            kind: Name of a class in `tf_keras.layers`.
            operation: The Keras 3 operation.
            inputs: Legacy tensors.
            suffix: Tells several legacy layers of one operation apart.
            **arguments: Of the legacy layer's constructor.
        """
        key = (id(operation), suffix)
        layer = self._layers.get(key)
        if layer is None:
            layer = getattr(self.keras.layers, kind)(
                name=self._free_name(legacy_name(operation.name, suffix)),
                dtype="float32",
                trainable=getattr(operation, "trainable", True),
                **arguments,
            )
            if getattr(operation, "weights", None):
                self._layers[key] = layer
        return layer(inputs)

    @staticmethod
    def is_symbolic(x: Any) -> bool:
        """Whether an argument is a legacy tensor of the graph, and no constant."""
        return hasattr(x, "_keras_history")

    def _free_name(self, wanted: str) -> str:
        name, count = wanted, 1
        while name in self._names:
            count += 1
            name = f"{wanted}{_SUFFIX}{count}"
        self._names.add(name)
        return name

    def input(self, tensor: keras.KerasTensor) -> Any:
        """The legacy input that stands for a model's input."""
        if tensor.dtype not in ("float32", "float16", "bfloat16", "uint8"):
            raise ModelError(
                f"The input {tensor.name!r} has the dtype {tensor.dtype}, and the "
                "bridge carries images: float32 or uint8."
            )
        dtype = "uint8" if tensor.dtype == "uint8" else "float32"
        return self.keras.Input(
            shape=tensor.shape[1:],
            batch_size=tensor.shape[0],
            dtype=dtype,
            name=self._free_name(legacy_name(tensor.name)),
        )
