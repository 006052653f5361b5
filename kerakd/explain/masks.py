"""Heat maps against masks that people drew: does the network look at the tumour?"""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from kerakd.errors import DataError
from kerakd.explain.similarity import descending, hottest

MEASURES = ("pointing", "energy", "iou")


def against_masks(maps: Any, masks: Any) -> dict[str, np.ndarray]:
    """Measure maps against masks, each with its level of chance.

    Args:
        maps: Maps at the size of the masks, 0 or more, (B, H, W).
        masks: What should be looked at, bool or 0 and 1, of the same shape; none empty.

    Returns:
        float64 arrays of shape (B,), 0..1, NaN where a map is constant:

        - `pointing`: 1 where the hottest pixel lies in the mask ("Top-down Neural
          Attention by Excitation Backprop", Zhang et al., IJCV 2018; no tolerance),
          else 0; `pointing_chance`: the same of a random pixel, the mask's share of the
          picture; `pointing_centre`: the same of the middle of the picture;
        - `energy`: share of the map's sum that lies in the mask ("Score-CAM", Wang et
          al., 2020); `energy_chance`: of an even map;
        - `iou`: intersection over union of the mask and as many of the hottest pixels
          as the mask has; `iou_chance`: expected of as many random pixels.

    Raises:
        DataError: The shapes differ, or a mask is empty.
    """
    maps = np.asarray(maps, np.float64)
    masks = np.asarray(masks) > 0
    if maps.shape != masks.shape or maps.ndim != 3:
        raise DataError(
            f"Maps of shape {maps.shape} cannot be measured against masks of shape "
            f"{masks.shape}; bring them to one size with Explanation.at(size)."
        )
    area = masks.mean(axis=(1, 2))
    if (area == 0).any():
        raise DataError(
            f"The mask of picture {int(np.argmin(area))} is empty; leave pictures "
            "without a tumour out."
        )
    count, height, width = maps.shape
    hot = descending(maps)[:, 0]
    total = maps.sum(axis=(1, 2))
    top = hottest(maps, area)
    found = {
        "pointing": masks.reshape(count, -1)[np.arange(count), hot].astype(np.float64),
        "energy": (maps * masks).sum(axis=(1, 2)) / np.where(total > 0, total, 1),
        "iou": (top & masks).sum(axis=(1, 2)) / (top | masks).sum(axis=(1, 2)),
    }
    says = np.ptp(maps.reshape(count, -1), axis=1) > 0
    found = {name: np.where(says, values, np.nan) for name, values in found.items()}
    return found | {
        "pointing_chance": area,
        "pointing_centre": masks[:, height // 2, width // 2].astype(np.float64),
        "energy_chance": area,
        "iou_chance": area / (2 - area),
    }


def find_masks(
    folder: str | os.PathLike, ids: Sequence[str], labels: Sequence[str]
) -> dict[int, Path]:
    """Mask files of pictures.

    Args:
        folder: Where `<class>/<name of the picture>.png` lie.
        ids: Sample ids, such as `Testing/glioma/Te-gl_0010.jpg`.
        labels: The class name of each.

    Returns:
        The mask file by position in `ids`, for those that have one.

    Raises:
        DataError: The folder is absent, or has a mask for none of the pictures.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"There is no folder of masks {folder}; check the path.")
    found = {}
    for row, (one, label) in enumerate(zip(ids, labels, strict=True)):
        file = folder / label / (PurePosixPath(one).stem + ".png")
        if file.is_file():
            found[row] = file
    if not found:
        raise DataError(
            f"{folder} has a mask for none of the {len(ids)} pictures; expected files "
            "named <class>/<name of the picture>.png."
        )
    return found


def read_mask(path: str | os.PathLike) -> np.ndarray:
    """A mask file as bool (H, W): what is above half of the format's range.

    Raises:
        DataError: It cannot be read, or nothing is marked in it.
    """
    from kerakd.data import decode

    mask = decode(path, 1)[..., 0] > 127
    if not mask.any():
        raise DataError(
            f"Nothing is marked in the mask {path}; remove it, or mark the tumour in "
            "white (255)."
        )
    return mask
