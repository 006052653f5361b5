"""Lesion by lesion, as BraTS 2023 counts."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from kerakd.evaluation.segmentation.empty import (
    BRATS_DISTANCE,
    as_masks,
    check_policy,
    check_spacing,
    far,
)
from kerakd.evaluation.segmentation.surface import hd95

_TOUCHING = np.ones((3, 3, 3), bool)  # by face, edge or corner
_GROWING = ndimage.generate_binary_structure(3, 2)  # by face or edge


@dataclass(frozen=True)
class Lesions:
    """What is counted over the lesions of one region.

    Attributes:
        dice: Mean over true lesions and false alarms, which count 0.
        hd95: Likewise in millimetres; what is missed or made up counts 374.
        found: True lesions that were found at least in part.
        missed: True lesions that were not.
        false_alarms: Predicted lesions that touch no true one.
        volumes: Of the counted true lesions in mm3.
        dices: Dice of each counted true lesion.
    """

    dice: float
    hd95: float
    found: int
    missed: int
    false_alarms: int
    volumes: tuple[float, ...]
    dices: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same, JSON-able."""
        return {
            k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()
        }


def lesion_wise(
    truth: np.ndarray,
    predicted: np.ndarray,
    spacing: tuple[float, float, float],
    empty: str = "brats2023",
    *,
    growth: int = 3,
    smallest: float = 50.0,
) -> Lesions:
    """Dice and HD95 lesion by lesion.

    As the organisers of BraTS 2023 publish it: the truth is grown by `growth` voxels,
    and what touches then is one lesion. All predicted components that touch a grown
    lesion are compared with it together. True lesions of `smallest` mm3 or less are
    left out; a predicted component that touches none is a false alarm, however small
    it is. Distances follow `hd95`.

    Args:
        truth: Above 0 inside, 3-D.
        predicted: Of the same shape.
        spacing: Millimetres along each axis.
        empty: See `EMPTY_POLICIES`; where neither lesions nor false alarms are left it
            is Dice 1 and 0 mm, or NaN with `"exclude"`.
        growth: Voxels; 3 for gliomas (GLI, SSA, PED), 1 for meningiomas and metastases.
        smallest: mm3; 50, and 2 for metastases.

    Raises:
        DataError: The shapes differ, are not 3-D, or the spacing does not fit them.
        RecipeError: The policy is unknown.
    """
    check_policy(empty)
    truth, predicted = as_masks(truth, predicted)
    spacing = check_spacing(spacing, 3)
    distance = far(empty, truth.shape, spacing)
    if empty == "exclude":
        distance = BRATS_DISTANCE  # of a lesion that was missed
    grown = truth
    if growth:
        grown = ndimage.binary_dilation(truth, _GROWING, iterations=growth)
    joined, count = ndimage.label(grown, _TOUCHING)
    lesions = np.where(truth, joined, 0)
    said, _ = ndimage.label(predicted, _TOUCHING)
    sizes = np.bincount(said.ravel())
    boxes = ndimage.find_objects(said)
    voxel = float(np.prod(spacing))
    dices, distances, volumes, touched, found = [], [], [], set(), 0
    for number, box in enumerate(ndimage.find_objects(lesions, count), 1):
        # Room for growing; beyond it nothing of this lesion can be.
        wide = _widened(box, growth, truth.shape)
        lesion = lesions[wide] == number
        near = lesion
        if growth:
            near = ndimage.binary_dilation(lesion, _GROWING, iterations=growth)
        met = np.unique(said[wide][near])
        met = met[met > 0]
        touched.update(met.tolist())
        size = int(np.count_nonzero(lesion))
        if size * voxel <= smallest:
            continue
        volumes.append(size * voxel)
        if not len(met):
            dices.append(0.0)
            distances.append(distance)
            continue
        found += 1
        both = int(np.count_nonzero(said[wide][lesion]))
        dices.append(2 * both / (size + int(sizes[met].sum())))
        around = _around([box, *(boxes[i - 1] for i in met)])
        distances.append(
            hd95(lesions[around] == number, np.isin(said[around], met), spacing)
        )
    alarms = len(sizes) - 1 - len(touched)
    total = len(dices) + alarms
    if total:
        mean = sum(dices) / total
        length = (sum(distances) + alarms * distance) / total
    else:
        mean = float("nan") if empty == "exclude" else 1.0
        length = float("nan") if empty == "exclude" else 0.0
    return Lesions(
        mean,
        length,
        found,
        len(dices) - found,
        alarms,
        tuple(volumes),
        tuple(dices),
    )


def _widened(box: tuple, by: int, shape: tuple[int, ...]) -> tuple:
    return tuple(
        slice(max(0, part.start - by), min(size, part.stop + by))
        for part, size in zip(box, shape, strict=True)
    )


def _around(boxes: list[tuple]) -> tuple:
    return tuple(
        slice(min(p.start for p in parts), max(p.stop for p in parts))
        for parts in zip(*boxes, strict=True)
    )
