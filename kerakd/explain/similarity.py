"""How alike two heat maps of one picture are."""

from typing import Any

import numpy as np

from kerakd.errors import DataError

MEASURES = ("rank_correlation", "top_iou", "centre_distance")
_TOP = 0.2


def compare_maps(first: Any, second: Any, top: float = _TOP) -> dict[str, np.ndarray]:
    """Compare maps pair by pair, at one resolution.

    Args:
        first: Maps (B, h, w).
        second: Maps of the same shape.
        top: Share of the cells that count as the hot ones, between 0 and 1.

    Returns:
        float64 arrays of shape (B,); NaN where one of the maps is constant:

        - `rank_correlation`: Spearman's, -1..1 (1: the same order of all cells);
        - `top_iou`: intersection over union of the hottest cells, 0..1;
        - `centre_distance`: between the centres of mass, in widths of the picture
          (0: the same place; of a square at most 1.41).

    Raises:
        DataError: The shapes differ.
    """
    first, second = (np.asarray(maps, np.float64) for maps in (first, second))
    if first.shape != second.shape or first.ndim != 3:
        raise DataError(
            "Maps are compared at one size, (batch, height, width); got "
            f"{first.shape} and {second.shape}: use Explanation.at(size)."
        )
    if not 0 < top < 1:
        raise DataError(f"The share of hot cells must be between 0 and 1; got {top}.")
    flat = [maps.reshape(len(maps), -1) for maps in (first, second)]
    says = (np.ptp(flat[0], axis=1) > 0) & (np.ptp(flat[1], axis=1) > 0)
    found = {
        "rank_correlation": rank_correlation(*flat),
        "top_iou": _iou(*(hottest(maps, top) for maps in (first, second))),
        "centre_distance": _distance(first, second),
    }
    return {name: np.where(says, values, np.nan) for name, values in found.items()}


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation row by row, shape (B,); NaN for a constant row."""
    from scipy.stats import rankdata

    ranks = [rankdata(rows, axis=1) for rows in (first, second)]
    centred = [r - r.mean(axis=1, keepdims=True) for r in ranks]
    norms = np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))
    product = (centred[0] * centred[1]).sum(1)
    return np.divide(product, norms, out=np.full(len(norms), np.nan), where=norms > 0)


def hottest(maps: np.ndarray, share: Any) -> np.ndarray:
    """The hottest cells of each map, bool of its shape.

    Args:
        maps: Shape (B, h, w).
        share: Which share of the cells, a number or one for each map; at least one
            cell. Of equal cells those that come first in a fixed random order count:
            the order of the pixels would prefer the top of the picture.
    """
    count, cells = len(maps), int(np.prod(maps.shape[1:]))
    order = descending(maps)
    number = np.maximum(1, np.rint(np.broadcast_to(share, count) * cells)).astype(int)
    chosen = np.zeros((count, cells), bool)
    for row, places, n in zip(chosen, order, number, strict=True):
        row[places[:n]] = True
    return chosen.reshape(maps.shape)


def descending(maps: np.ndarray) -> np.ndarray:
    """Cells from hot to cold, int of shape (B, h * w); equal ones in random order."""
    flat = np.asarray(maps).reshape(len(maps), -1)
    shuffled = np.random.default_rng(0).permutation(flat.shape[1])
    return shuffled[np.argsort(-flat[:, shuffled], axis=1, kind="stable")]


def centres_of_mass(maps: np.ndarray) -> np.ndarray:
    """(row, column) of each map's centre of mass, 0..1, shape (B, 2)."""
    maps = np.asarray(maps, np.float64)
    weight = np.maximum(maps.sum(axis=(1, 2)), 1e-12)
    rows, columns = ((np.arange(side) + 0.5) / side for side in maps.shape[1:])
    down = (maps.sum(2) * rows).sum(1) / weight
    across = (maps.sum(1) * columns).sum(1) / weight
    return np.stack([down, across], -1)


def _distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    apart = centres_of_mass(first) - centres_of_mass(second)
    apart[:, 0] *= first.shape[1] / first.shape[2]  # both in widths
    return np.hypot(apart[:, 0], apart[:, 1])


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    both = (first & second).sum(axis=(1, 2))
    return both / np.maximum((first | second).sum(axis=(1, 2)), 1)
