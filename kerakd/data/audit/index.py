"""Pairs that may be copies of each other, without comparing all with all.

Each thumbnail is brought to mean 0 and length 1, so that the squared distance of two of
them is 2 (1 - r) with r their normalised correlation. Its lowest discrete cosine
coefficients are the first coordinates of the same vector in another orthonormal basis:
a distance between them is never larger than the whole distance. A k-d tree over them
therefore loses no pair above the threshold, and the eight symmetries of a square are
signs and a transposition of the coefficients.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Which of the eight symmetries: the second picture is turned so to lie on the first.
SYMMETRIES = (
    "same",
    "rotated 90",
    "rotated 180",
    "rotated 270",
    "mirrored left-right",
    "mirrored along the other diagonal",
    "mirrored top-bottom",
    "mirrored along the main diagonal",
)
# Thumbnails whose grey values vary by less than this show nothing to compare.
FLAT = 2.0
_LOWEST = 10  # coefficients in each direction
_NEIGHBOURS = (32, 128, 512)
_CHUNK = 4096
# The inverse of each symmetry: only the quarter turns are not their own, and one of the
# two finds the pairs of both.
_INVERSE = np.array([0, 3, 2, 1, 4, 5, 6, 7], np.int8)
_ONE_OF_EACH = (0, 1, 2, 4, 5, 6, 7)


@dataclass(frozen=True)
class Candidates:
    """Pairs of positions `first < second`, and how the second lies on the first.

    Args:
        first: int64 `(m,)`.
        second: int64 `(m,)`.
        symmetry: Index into `SYMMETRIES`, int8 `(m,)`.
        correlation: Of the two thumbnails, float32 `(m,)`.
        crowded: How many images had more near neighbours than were looked at.
    """

    first: np.ndarray
    second: np.ndarray
    symmetry: np.ndarray
    correlation: np.ndarray
    crowded: int


def turn(pictures: np.ndarray, symmetry: int) -> np.ndarray:
    """Turn pictures `(..., side, side)` by one of `SYMMETRIES`."""
    turned = np.rot90(pictures, symmetry % 4, axes=(-2, -1))
    return turned[..., ::-1] if symmetry >= 4 else turned


def normalise(pictures: np.ndarray) -> np.ndarray:
    """Mean 0 and length 1 over the last two axes, float32; flat ones become 0."""
    pictures = pictures.astype(np.float32)
    pictures -= pictures.mean(axis=(-2, -1), keepdims=True)
    length = np.sqrt((pictures**2).sum(axis=(-2, -1), keepdims=True))
    return np.divide(pictures, length, out=pictures, where=length > 0)


def is_flat(thumbs: np.ndarray) -> np.ndarray:
    """Which thumbnails show nothing, bool `(n,)`."""
    return thumbs.std(axis=(-2, -1)) < FLAT


def candidates(
    thumbs: np.ndarray, least: float, advance: Callable[[int], None] = lambda _: None
) -> Candidates:
    """All pairs whose thumbnails correlate, in any of the eight symmetries.

    Args:
        thumbs: uint8 `(n, side, side)`; no two of them identical, or the tree would
            spend itself on them.
        least: The normalised correlation from which a pair is a candidate, in (0, 1).
        advance: Told how many images were looked up in one of the symmetries.

    Returns:
        One row per pair and symmetry, sorted.
    """
    shown = np.flatnonzero(~is_flat(thumbs))
    # Half precision: the products are summed in single, 1e-4 off at the most.
    pictures = np.empty((len(shown), *thumbs.shape[1:]), np.float16)
    for start in range(0, len(shown), _CHUNK):
        part = slice(start, start + _CHUNK)
        pictures[part] = normalise(thumbs[shown[part]])
    lowest = _coefficients(pictures)
    radius = float(np.sqrt(2 * (1 - least))) + 1e-3
    from scipy.spatial import cKDTree

    tree = cKDTree(lowest.reshape(len(shown), -1))
    found, crowded = [], np.zeros(len(shown), bool)
    for symmetry in _ONE_OF_EACH:
        turned = _turn_coefficients(lowest, symmetry).reshape(len(shown), -1)
        pairs = []
        for start in range(0, len(shown), _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, len(shown)))
            near, full = _near(tree, turned, rows, radius)
            pairs.append(near)
            crowded[full] = True
            advance(len(rows))
        # The turned query is the second: it was turned to lie on its neighbour.
        first, second = _each_once(pairs, len(shown), symmetry)
        r = _correlations(pictures, first, second, symmetry)
        keep = r >= least
        found.append((first[keep], second[keep], symmetry, r[keep]))
    first, second, turns, r = _joined(found)
    return Candidates(shown[first], shown[second], turns, r, int(crowded.sum()))


def _each_once(pairs: list, count: int, symmetry: int) -> tuple:
    """Pairs that were found from both sides only once."""
    first, second = (np.concatenate(part) for part in zip(*pairs, strict=True))
    if _INVERSE[symmetry] == symmetry:
        first, second = np.minimum(first, second), np.maximum(first, second)
    return np.divmod(np.unique(first.astype(np.int64) * count + second), count)


def _coefficients(pictures: np.ndarray) -> np.ndarray:
    """The lowest cosine coefficients of normalised pictures, float32."""
    from scipy.fft import dctn

    lowest = np.empty((len(pictures), _LOWEST, _LOWEST), np.float32)
    for start in range(0, len(pictures), _CHUNK):
        part = pictures[start : start + _CHUNK].astype(np.float32)
        transformed = dctn(part, axes=(1, 2), norm="ortho")
        lowest[start : start + _CHUNK] = transformed[:, :_LOWEST, :_LOWEST]
    return lowest


def _turn_coefficients(lowest: np.ndarray, symmetry: int) -> np.ndarray:
    """What `turn` does to the picture, done to its cosine coefficients."""
    signs = (-1.0) ** np.arange(_LOWEST, dtype=np.float32)
    turned = lowest
    for _ in range(symmetry % 4):  # a quarter turn: transpose, then upside down
        turned = turned.transpose(0, 2, 1) * signs[:, None]
    return turned * signs if symmetry >= 4 else turned


def _near(tree, turned: np.ndarray, rows: np.ndarray, radius: float):
    """Pairs (neighbour, row) within the radius; rows that have too many."""
    pairs, full = [], rows
    for number in _NEIGHBOURS:
        number = min(number, tree.n)
        distance, neighbour = tree.query(
            turned[full],
            k=np.arange(1, number + 1),
            distance_upper_bound=radius,
            workers=-1,
        )
        there = np.isfinite(distance)
        more = there[:, -1] & (number < tree.n)
        last = number in (_NEIGHBOURS[-1], tree.n)
        # Rows with more neighbours are asked again, for all of them at once.
        take = there if last else there & ~more[:, None]
        which, _ = np.nonzero(take)
        pairs.append((neighbour[take], full[which]))
        full = full[more]
        if last or not len(full):
            break
    first, second = (np.concatenate(part) for part in zip(*pairs, strict=True))
    other = first != second
    return (first[other], second[other]), full


def _correlations(
    pictures: np.ndarray, first: np.ndarray, second: np.ndarray, symmetry: int
) -> np.ndarray:
    r = np.empty(len(first), np.float32)
    for start in range(0, len(first), _CHUNK):
        part = slice(start, start + _CHUNK)
        a = pictures[first[part]].astype(np.float32)
        b = turn(pictures[second[part]].astype(np.float32), symmetry)
        r[part] = np.einsum("nij,nij->n", a, b)
    return r


def _joined(found: list[tuple]) -> tuple[np.ndarray, ...]:
    """All finds with first < second, each once, sorted."""
    first = np.concatenate([part[0] for part in found]).astype(np.int64)
    second = np.concatenate([part[1] for part in found]).astype(np.int64)
    turns = np.concatenate([np.full(len(p[0]), p[2], np.int8) for p in found])
    r = np.concatenate([part[3] for part in found])
    swap = first > second
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    turns = np.where(swap, _INVERSE[turns], turns)
    order = np.lexsort((turns, second, first))
    first, second, turns, r = first[order], second[order], turns[order], r[order]
    new = np.ones(len(first), bool)
    same = (first[1:] == first[:-1]) & (second[1:] == second[:-1])
    new[1:] = ~(same & (turns[1:] == turns[:-1]))
    return first[new], second[new], turns[new], r[new]
