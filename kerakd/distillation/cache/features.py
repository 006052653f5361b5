"""Which features of a teacher a cache holds, and whether it can."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from kerakd.distillation.taps import TappedModel
from kerakd.errors import RecipeError

# What the features of one layer may take on disk unless more is allowed.
LIMIT = 2**30


def normalized(layers: Iterable[Any], count: int) -> list[tuple[int, str]]:
    """Layers as `(number of the teacher, name)`, each once.

    Args:
        layers: Names of layers of the first teacher, or such pairs.
        count: How many teachers there are.

    Raises:
        RecipeError: An entry is neither, or there is no such teacher.
    """
    found = []
    for layer in layers:
        index, name = (0, layer) if isinstance(layer, str) else tuple(layer)
        if not isinstance(name, str) or index not in range(count):
            raise RecipeError(
                "`layers` are names of the teacher's layers, or pairs (number of the "
                f"teacher from 0 to {count - 1}, name); got {layer!r}."
            )
        found.append((index, name))
    return list(dict.fromkeys(found))


def of_losses(losses: Iterable[Any]) -> list[tuple[int, str]]:
    """The layers of the teachers that distillation losses read."""
    read = [
        (getattr(loss, "teacher_index", 0), loss.teacher_layer_name)
        for loss in losses
        if getattr(loss, "teacher_layer_name", None) is not None
    ]
    return list(dict.fromkeys(read))


def tap(
    teachers: Sequence[keras.Model], layers: Sequence[tuple[int, str]]
) -> list[TappedModel]:
    """The teachers, handing out these layers as well."""
    return [
        TappedModel(model, [name for i, name in layers if i == index], "teacher")
        for index, model in enumerate(teachers)
    ]


def shapes(
    tapped: Sequence[TappedModel],
    layers: Sequence[tuple[int, str]],
    pictures: int,
    dtype: str,
    limit: int,
) -> list[list[int]]:
    """Shape of each layer's features of one picture.

    Args:
        tapped: What `tap` gave.
        layers: The layers.
        pictures: Samples times views.
        dtype: Of the numbers on disk.
        limit: Bytes that one layer may take.

    Raises:
        RecipeError: A shape is not known, or a layer takes more.
    """
    found = []
    for index, name in layers:
        shape = tapped[index].feature_shapes[name][1:]
        if None in shape:
            raise RecipeError(
                f"The layer {name!r} gives features of shape {shape}, and only those "
                "of a known shape can be cached; build the teacher with a fixed input."
            )
        size = pictures * math.prod(shape) * np.dtype(dtype).itemsize
        if size > limit:
            numbers = " x ".join(map(str, shape))
            raise RecipeError(
                f"The layer {name!r} gives {numbers} numbers, which for {pictures:,} "
                f"pictures take {size / 1e9:,.2f} GB, more than `feature_limit` allows "
                f"({limit / 1e9:,.2f} GB); take a pooled layer, fewer views or "
                'mode="compact", raise the limit, or ask the teacher in every epoch.'
            )
        found.append(list(shape))
    return found
