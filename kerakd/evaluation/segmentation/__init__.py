"""How good a segmentation is: per case and in 3-D, in NumPy and SciPy alone."""

from kerakd.evaluation.segmentation.case import METRICS, evaluate_case
from kerakd.evaluation.segmentation.empty import EMPTY_POLICIES
from kerakd.evaluation.segmentation.lesions import Lesions, lesion_wise
from kerakd.evaluation.segmentation.overlap import (
    dice,
    iou,
    sensitivity,
    specificity,
)
from kerakd.evaluation.segmentation.summary import summarise
from kerakd.evaluation.segmentation.surface import hd95, surface_dice

__all__ = [
    "EMPTY_POLICIES",
    "METRICS",
    "Lesions",
    "dice",
    "evaluate_case",
    "hd95",
    "iou",
    "lesion_wise",
    "sensitivity",
    "specificity",
    "summarise",
    "surface_dice",
]
