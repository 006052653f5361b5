"""Distillation losses: pure functions, and the `keras.losses.Loss` around each.

Every function takes the teacher first and returns a scalar, the mean over samples.
`dice` and `DiceCrossentropy` compare with labels: losses for `compile`.
"""

from kerakd.distillation.base import DistillationLoss
from kerakd.distillation.dice import DiceCrossentropy, dice, dice_crossentropy
from kerakd.distillation.features import Hint, hint
from kerakd.distillation.hard_labels import HardLabel, hard_label
from kerakd.distillation.labelled import DKD, NKD, OFA, dkd, nkd, ofa
from kerakd.distillation.logits import KLDivergence, kl_divergence
from kerakd.distillation.maps import (
    AttentionTransfer,
    ChannelwiseKL,
    PixelwiseKL,
    attention_transfer,
    channelwise_kl,
    pixelwise_kl,
)
from kerakd.distillation.registry import get
from kerakd.distillation.relations import (
    DIST,
    RKD,
    SimilarityPreserving,
    dist,
    rkd,
    similarity_preserving,
)

__all__ = [
    "DIST",
    "DKD",
    "NKD",
    "OFA",
    "RKD",
    "AttentionTransfer",
    "ChannelwiseKL",
    "DiceCrossentropy",
    "DistillationLoss",
    "HardLabel",
    "Hint",
    "KLDivergence",
    "PixelwiseKL",
    "SimilarityPreserving",
    "attention_transfer",
    "channelwise_kl",
    "dice",
    "dice_crossentropy",
    "dist",
    "dkd",
    "get",
    "hard_label",
    "hint",
    "kl_divergence",
    "nkd",
    "ofa",
    "pixelwise_kl",
    "rkd",
    "similarity_preserving",
]
