"""Which layers learn: freezing the backbone and opening it step by step.

All functions here change `layer.trainable` in place. Keras reads the flags when a
model is compiled, so **compile again afterwards**, or nothing changes.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import keras

from kerakd.errors import ModelError, nearest
from kerakd.models.graph import calls, flatten, original, producer, weighted_layers


class Trainability(NamedTuple):
    """How many parameters learn and how many do not (running statistics are in it)."""

    trainable: int
    frozen: int


def head_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers with weights that turn features into outputs.

    Those behind the last pooling or flattening, where tensors have the shape
    `(batch, features)`; or, where outputs are maps, the last layer with weights
    before each of them.

    Args:
        model: A functional or Sequential model.

    Returns:
        The layers, from input to output.
    """
    order = list(weighted_layers(model))
    outputs = flatten(model).outputs
    found = _layers_behind(outputs, lambda call, x: len(x.shape) <= 2)
    if not found or len(found) == len(order):
        # Maps, or nothing but vectors: only the nearest layer before each output.
        found = _layers_behind(
            outputs, lambda call, x: not getattr(call.operation, "weights", None)
        )
    return [layer for layer in order if id(layer) in found]


def _layers_behind(outputs: list, goes_on) -> set[int]:
    found, stack, seen = set(), list(outputs), set()
    while stack:
        call = producer(stack.pop())
        if id(call.node) in seen:
            continue
        seen.add(id(call.node))
        if getattr(call.operation, "weights", None):
            found.add(id(original(call.operation)))
        stack += [x for x in call.inputs if goes_on(call, x)]
    return found


def freeze_backbone(
    model: keras.Model, head: Iterable[str] | None = None
) -> Trainability:
    """Let only the head learn: the first stage of transfer learning.

    Frozen batch normalisation runs in inference mode and keeps its statistics, as
    everywhere in Keras. Compile the model afterwards.

    Args:
        model: A functional or Sequential model; changed in place.
        head: Names of the layers that stay trainable; those of `head_layers` if
            `None`.

    Returns:
        Counts of trainable and frozen parameters.

    Raises:
        ModelError: A name in `head` is unknown, or the model is subclassed.

    Example:

    ```python
    import kerakd

    model = kerakd.models.build("mobilenet_v2", 4, (96, 96, 3), alpha=0.35)
    kerakd.models.freeze_backbone(model)
    # compile, fit some epochs
    kerakd.models.unfreeze(model, fraction=0.3)
    # compile, fit with a smaller learning rate
    ```
    """
    layers = list(weighted_layers(model))
    if head is None:
        kept = {id(layer) for layer in head_layers(model)}
    else:
        names = set(head)
        known = {layer.name for layer in layers}
        for name in sorted(names - known):
            raise ModelError(
                f"The model {model.name!r} has no layer with weights named {name!r}. "
                f"{nearest(name, known)}"
            )
        kept = {id(layer) for layer in layers if layer.name in names}
    return _set_flags(model, layers, lambda layer: id(layer) in kept)


def unfreeze(
    model: keras.Model,
    fraction: float | None = None,
    from_layer: str | None = None,
    batch_norm: bool = True,
) -> Trainability:
    """Let the last part of the backbone learn too; all of it if nothing is named.

    What was trainable stays so; call it with growing fractions to open a model
    gradually, from the output towards the input. Compile the model afterwards.

    Args:
        model: A functional or Sequential model; changed in place.
        fraction: Share of the backbone's layers with weights, counted from the
            output, in (0, 1].
        from_layer: Name of the first layer that learns; those behind it do too.
        batch_norm: Whether batch normalisation is opened as well. `False` keeps its
            statistics as they were, which suits batches of a few images.

    Returns:
        Counts of trainable and frozen parameters.

    Raises:
        ModelError: The fraction is out of range, the layer is unknown, both are
            given, or the model is subclassed.
    """
    layers = list(weighted_layers(model))
    head = {id(layer) for layer in head_layers(model)}
    if fraction is not None and from_layer is not None:
        raise ModelError("Give `fraction` or `from_layer`, not both.")
    if from_layer is not None:
        opened = _from_layer(model, from_layer)
    elif fraction is not None:
        if isinstance(fraction, bool) or not 0 < fraction <= 1:
            raise ModelError(
                f"`fraction` must be above 0 and at most 1, got {fraction!r}; 0.3 "
                "opens the last 30% of the backbone's layers."
            )
        backbone = [layer for layer in layers if id(layer) not in head]
        count = max(1, round(fraction * len(backbone))) if backbone else 0
        opened = {id(layer) for layer in backbone[len(backbone) - count :]}
    else:
        opened = {id(layer) for layer in layers}
    normalisation = keras.layers.BatchNormalization
    before = {id(layer): layer.trainable for layer in layers}
    return _set_flags(
        model,
        layers,
        lambda layer: (
            before[id(layer)]
            or id(layer) in head
            or (
                id(layer) in opened
                and (batch_norm or not isinstance(layer, normalisation))
            )
        ),
    )


def _from_layer(model: keras.Model, name: str) -> set[int]:
    order = [call.operation for call in calls(flatten(model))]
    names = [operation.name for operation in order]
    if name not in names:
        raise ModelError(
            f"The model {model.name!r} has no layer {name!r}. {nearest(name, names)}"
        )
    return {id(original(operation)) for operation in order[names.index(name) :]}


def _set_flags(model: keras.Model, layers: list, learns) -> Trainability:
    flags = [learns(layer) for layer in layers]
    # A frozen model hides its layers' variables whatever their own flags say.
    model.trainable = True
    for layer, flag in zip(layers, flags, strict=True):
        layer.trainable = flag
    trainable = sum(math.prod(v.shape) for v in model.trainable_variables)
    return Trainability(trainable, model.count_params() - trainable)
