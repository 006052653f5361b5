"""Distillation losses: pure functions, and the `keras.losses.Loss` around each.

Every function takes the teacher first and returns a scalar, the mean over samples.
"""

from kerakd.distillation.base import DistillationLoss
from kerakd.distillation.features import Hint, hint
from kerakd.distillation.logits import KLDivergence, kl_divergence
from kerakd.distillation.registry import get

__all__ = ["DistillationLoss", "Hint", "KLDivergence", "get", "hint", "kl_divergence"]
