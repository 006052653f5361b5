"""Distillation losses by name, for recipes and for short calls."""

from typing import Any

import keras

from kerakd.distillation.features import Hint
from kerakd.distillation.hard_labels import HardLabel
from kerakd.distillation.labelled import DKD, NKD, OFA
from kerakd.distillation.logits import KLDivergence
from kerakd.distillation.maps import AttentionTransfer, ChannelwiseKL, PixelwiseKL
from kerakd.distillation.relations import DIST, RKD, SimilarityPreserving
from kerakd.errors import RecipeError, nearest

_CLASSES = (
    KLDivergence,
    DKD,
    NKD,
    DIST,
    OFA,
    HardLabel,
    PixelwiseKL,
    ChannelwiseKL,
    Hint,
    AttentionTransfer,
    SimilarityPreserving,
    RKD,
)
LOSSES = {cls.default_name: cls for cls in _CLASSES}


def get(identifier: Any) -> Any:
    """A loss from its name, from a dictionary, or as it is.

    Args:
        identifier: A loss object; a name such as `"kl_divergence"`; or a dictionary
            such as `{"name": "kl_divergence", "temperature": 2.0}`.

    Returns:
        An object that the Distiller takes.

    Raises:
        RecipeError: The name or an option is unknown.
    """
    if isinstance(identifier, str):
        identifier = {"name": identifier}
    if not isinstance(identifier, dict):
        if isinstance(
            identifier, keras.losses.Loss | keras.distillation.DistillationLoss
        ):
            return identifier
        raise RecipeError(
            "A distillation loss is a kerakd.losses or keras.losses object, a "
            f"keras.distillation.DistillationLoss or a name; got {identifier!r}."
        )
    options = dict(identifier)
    name = options.pop("name", None)
    if name not in LOSSES:
        raise RecipeError(
            f"Unknown distillation loss {name!r}. {nearest(str(name), LOSSES)}"
        )
    try:
        return LOSSES[name](**options)
    except TypeError as error:
        raise RecipeError(f"Distillation loss {name!r}: {error}.") from None
