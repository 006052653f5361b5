"""Which layer an activation map is read from, chosen here and never by the library.

tf-keras-vis takes the last convolution: a 1x1 map behind the pooling in MobileNetV3,
the head in a U-Net, and never a separable convolution.
"""

from typing import NamedTuple

import keras

from kerakd.errors import ModelError
from kerakd.models.graph import Call, calls, flatten, producer, tapped_graph

# What changes no feature: the map before it is the finer or the same one.
_PASSING = (
    keras.layers.AveragePooling2D,
    keras.layers.Dropout,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.MaxPooling2D,
    keras.layers.SpatialDropout2D,
    keras.layers.ZeroPadding2D,
)


class Features(NamedTuple):
    """Where activations are read.

    Attributes:
        flat: The flat graph.
        tensor: The activations in it: (B, h, w, C), or tokens (B, T, C).
        name: The layer's name, as the user may give it.
        tokens: Of tokens: how many stand before the patches, and the grid's height and
            width. `None` for a map.
    """

    flat: keras.Model
    tensor: keras.KerasTensor
    name: str
    tokens: tuple[int, int, int] | None


def find_features(model: keras.Model, layer: str | None = None) -> Features:
    """The activations that a class activation map is made of.

    By default, of a classifier the last feature map that still has a place for each
    cell, before its pooling: `out_relu` of MobileNetV2, `block5_conv3` of VGG; of a
    segmentation network the last one at its coarsest level, the bottleneck; of DeiT
    the tokens that enter the last block (what leaves it reaches the logits through
    two tokens only).

    Args:
        model: A functional or Sequential model, flat or nested.
        layer: A layer's name as in `kerakd.models.taps`, to choose another one.

    Raises:
        ModelError: There is no such layer, or no such map.
    """
    if layer is not None:
        flat, found = tapped_graph(model, [layer])
        tensor = found[layer]
        tokens = _token_grid(flat, tensor)
        if tokens is None and len(tensor.shape) != 4:
            raise ModelError(
                f"The layer {layer!r} of {model.name!r} gives {tuple(tensor.shape)}, "
                "which is no map; name one that gives (batch, height, width, channels)."
            )
        return Features(flat, tensor, layer, tokens)
    flat = flatten(model)
    graph = calls(flat)
    blocks = [call for call in graph if is_transformer_block(call.operation)]
    if blocks:
        tensor = blocks[-1].inputs[0]
        name = producer(tensor).operation.name
        return Features(flat, tensor, name, _token_grid(flat, tensor))
    maps = _learned_maps(graph)
    if not maps:
        raise ModelError(
            f"The model {model.name!r} has no feature map behind a layer with weights "
            "and before its pooling, so there is no activation map; use 'saliency', "
            "'integrated_gradients' or 'rise'."
        )
    dense = len(flat.outputs[0].shape) == 4
    call = _coarsest(maps, model) if dense else maps[-1]
    return Features(flat, call.outputs[0], call.operation.name, None)


def finer_layer(model: keras.Model) -> str | None:
    """The last layer whose map has at least twice the default's cells across and down.

    Its maps are less about the class, and can point at what is smaller than a cell of
    the default's.

    Args:
        model: A classifier, functional or Sequential.

    Returns:
        A name for `find_features`; `None` where there is no such layer.
    """
    maps = _learned_maps(calls(flatten(model)))
    sizes = [call.outputs[0].shape[1:3] for call in maps]
    if not maps or any(None in size for size in sizes):
        return None
    for call, size in zip(reversed(maps), reversed(sizes), strict=True):
        if size[0] >= 2 * sizes[-1][0] and size[1] >= 2 * sizes[-1][1]:
            return call.operation.name
    return None


def is_transformer_block(operation: keras.Operation) -> bool:
    """Whether an operation is a DeiT block, whose attention can be read."""
    # By name: KerasHub takes seconds to import, and a network without it needs none.
    return any(c.__name__ == "DeiTEncoderBlock" for c in type(operation).__mro__)


def _learned_maps(graph: list[Call]) -> list[Call]:
    """Calls that give a map of several cells that weights had a part in."""
    learned: set[int] = set()
    found = []
    for call in graph:
        if getattr(call.operation, "weights", None) or any(
            id(x) in learned for x in call.inputs
        ):
            learned.update(map(id, call.outputs))
        else:
            continue
        shape = call.outputs[0].shape
        if len(shape) != 4 or isinstance(call.operation, _PASSING):
            continue
        if shape[1] != 1 or shape[2] != 1:
            found.append(call)
    return found


def _coarsest(maps: list[Call], model: keras.Model) -> Call:
    sizes = [call.outputs[0].shape[1:3] for call in maps]
    if any(None in size for size in sizes):
        raise ModelError(
            f"The model {model.name!r} takes pictures of any size, so its bottleneck "
            "cannot be told from the shapes; name the layer (layer='...')."
        )
    areas = [height * width for height, width in sizes]
    return max(
        (call for call, area in zip(maps, areas, strict=True) if area == min(areas)),
        key=maps.index,
    )


def _token_grid(
    flat: keras.Model, tensor: keras.KerasTensor
) -> tuple[int, int, int] | None:
    if len(tensor.shape) != 3:
        return None
    for call in calls(flat):
        embedding = call.operation
        if hasattr(embedding, "patch_size") and hasattr(embedding, "image_size"):
            height, width = (
                side // patch
                for side, patch in zip(
                    embedding.image_size, embedding.patch_size, strict=True
                )
            )
            before = tensor.shape[1] - height * width
            return (before, height, width) if before >= 0 else None
    return None
