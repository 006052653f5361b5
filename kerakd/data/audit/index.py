"""Pairs that may be copies of each other, without comparing all pictures in full.

Each thumbnail is brought to mean 0 and length 1, so that the squared distance of two of
them is 2 (1 - r) with r their normalised correlation. Its lowest discrete cosine
coefficients are coordinates of the same vector in another orthonormal basis: a distance
between them is never larger than the whole distance, so that they rule pairs out and
lose none. The eight symmetries of a square are signs and a transposition of them.

Up to 16,384 pictures one matrix product compares all of them, exactly. Beyond that,
pictures are compared that agree in all bits of a random-hyperplane hash in at least one
of many tables (Charikar, "Similarity estimation techniques from rounding algorithms",
2002): the cost is sorting the tables. A pair that is near in angle is missed with a
small chance, which `docs/audit.md` gives.
"""

from collections.abc import Callable, Iterator
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
_EXACT = 16_384
_TABLES = 64
_AWAY = 8  # tables whose planes do not go through the mean picture
_CROWD = 256  # pictures of one hash that are looked at
_TELLING = 32  # coefficients that tell nineteen pairs in twenty apart
_PAIRS = 1 << 20  # held at a time
_BLOCK = 1024
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
        crowded: How many images had more alike ones than were looked at.
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
    thumbs: np.ndarray,
    least: float,
    advance: Callable[[int], None] = lambda _: None,
    exact: int = _EXACT,
) -> Candidates:
    """Pairs whose thumbnails correlate, in any of the eight symmetries.

    Args:
        thumbs: uint8 `(n, side, side)`; no two of them identical, or the search would
            spend itself on them.
        least: The normalised correlation from which a pair is a candidate, in (0, 1).
        advance: Told how many images were looked up in one of the symmetries.
        exact: Up to so many pictures all are compared.

    Returns:
        One row per pair and symmetry, sorted.
    """
    shown = np.flatnonzero(~is_flat(thumbs))
    count = len(shown)
    # Half precision: the products are summed in single, 1e-4 off at the most.
    pictures = np.empty((count, *thumbs.shape[1:]), np.float16)
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        pictures[part] = normalise(thumbs[shown[part]])
    lowest = _coefficients(pictures)
    base = lowest.reshape(count, _LOWEST**2)
    search = _all_pairs if count <= max(exact, 1) else _Hashed(base)
    found, crowded = [], np.zeros(count, bool)
    for symmetry in _ONE_OF_EACH:
        turned = _turn_coefficients(lowest, symmetry).reshape(count, _LOWEST**2)
        near = _Near(base, turned, 2 * (1 - least) + 1e-3)
        mutual = bool(_INVERSE[symmetry] == symmetry)
        keys = [np.zeros(0, np.int64)]
        for first, second, full in search(base, turned, least):
            crowded[full] = True
            if mutual:  # found from both sides
                first, second = np.minimum(first, second), np.maximum(first, second)
            first, second = near(first, second)
            keys.append(np.unique(first * count + second))
        first, second = np.divmod(np.unique(np.concatenate(keys)), max(count, 1))
        r = _correlations(pictures, first, second, symmetry)
        keep = r >= least
        found.append((first[keep], second[keep], symmetry, r[keep]))
        advance(count)
    first, second, turns, r = _joined(found)
    return Candidates(shown[first], shown[second], turns, r, int(crowded.sum()))


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


_Found = Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]


def _all_pairs(base: np.ndarray, turned: np.ndarray, least: float) -> _Found:
    """Pairs (row of base, row of turned) by one matrix product."""
    # |a - b|^2 <= 2 (1 - r) as one product: (a, -|a|^2/2, 1) (b, 1, -|b|^2/2).
    half = (base**2).sum(axis=1, keepdims=True) / 2
    one = np.ones_like(half)
    left = np.hstack([base, -half, one])
    right = np.hstack([turned, one, -half]).T.copy()
    none = np.zeros(0, np.int64)
    for start in range(0, len(base), _BLOCK):
        near = left[start : start + _BLOCK] @ right >= least - 1 - 1e-3
        first, second = np.nonzero(near)
        yield first + start, second, none


class _Hashed:
    """Pairs of pictures with the same hash in one of many tables."""

    def __init__(self, base: np.ndarray):
        # So many bits that unlike pictures seldom share a hash.
        self._bits = int(np.ceil(np.log2(len(base)))) + 4
        random = np.random.default_rng(0)
        shape = (base.shape[1], _TABLES * self._bits)
        self._planes = random.normal(size=shape).astype(np.float32)
        # Heads have much in common; what differs between them is to be hashed, so that
        # the planes go through the mean picture. In a crowd of copies that is one of
        # them, and so some tables' planes go through the pictures farthest from it.
        mean = base.mean(axis=0)
        far = np.argsort(((base - mean) ** 2).sum(axis=1))[-len(base) // 10 - 1 :]
        through = np.tile(mean, (_TABLES, 1))
        through[:_AWAY] = base[random.choice(far, _AWAY)]
        planes = self._planes.reshape(base.shape[1], _TABLES, self._bits)
        self._offset = np.einsum("ti,itb->tb", through, planes).ravel()
        keys = self._keys(base)
        self._order = np.empty(keys.shape, np.int32)
        for order, table in zip(self._order, keys, strict=True):
            order[:] = np.argsort(table, kind="stable")
            table[:] = table[order]
        self._sorted = keys

    def _keys(self, pictures: np.ndarray) -> np.ndarray:
        """The hash of each picture in each table, `(tables, n)`."""
        # A product of floats is BLAS's, one of whole numbers is not; it is exact.
        powers = 2.0 ** np.arange(self._bits)
        dtype = np.int32 if self._bits < 32 else np.int64
        keys = np.empty((_TABLES, len(pictures)), dtype)
        for start in range(0, len(pictures), _CHUNK):
            part = pictures[start : start + _CHUNK] @ self._planes > self._offset
            part = part.reshape(len(part), _TABLES, self._bits)
            keys[:, start : start + _CHUNK] = (part @ powers).T
        return keys

    def __call__(self, base: np.ndarray, turned: np.ndarray, least: float) -> _Found:
        none = np.zeros(0, np.int64)
        times_full = np.zeros(len(turned), np.int64)
        for order, known, asked in zip(
            self._order, self._sorted, self._keys(turned), strict=True
        ):
            start = np.searchsorted(known, asked, "left")
            number = np.searchsorted(known, asked, "right") - start
            times_full += number > _CROWD
            number = np.minimum(number, _CROWD)
            for rows in _parts(number):
                many = number[rows]
                second = np.repeat(np.arange(rows.start, rows.stop), many)
                ahead = np.arange(len(second)) - np.repeat(np.cumsum(many) - many, many)
                first = order[np.repeat(start[rows], many) + ahead]
                yield first.astype(np.int64), second, none
        # Heads crowd in a table whose planes pass far from all of them; copies in each.
        yield none, none, np.flatnonzero(times_full >= _AWAY)


def _parts(number: np.ndarray) -> Iterator[slice]:
    """Runs of rows that have at most `_PAIRS` partners together."""
    ends = np.cumsum(number)
    start = 0
    while start < len(number):
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + _PAIRS, "right"))
        stop = max(stop, start + 1)
        yield slice(start, stop)
        start = stop


class _Near:
    """Keeps the pairs whose coefficients are near.

    Most pairs of one hash are far apart already in the few coefficients that differ
    most between pictures; only the others are compared in all of them.

    Args:
        base: float32 `(n, c)`.
        turned: float32 `(n, c)`.
        limit: The largest squared distance of two rows that are near.
    """

    def __init__(self, base: np.ndarray, turned: np.ndarray, limit: float):
        self._base, self._turned, self._limit = base, turned, limit
        telling = np.argsort(base.var(axis=0))[-_TELLING:]
        self._few = base[:, telling], turned[:, telling]

    def __call__(
        self, first: np.ndarray, second: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The pairs (row of base, row of turned) that are near and no picture's own."""
        # A part of a sum of squares is no larger than the sum, but for rounding.
        few = _distances(*self._few, first, second) <= self._limit + 1e-4
        few &= first != second
        first, second = first[few], second[few]
        near = _distances(self._base, self._turned, first, second) <= self._limit
        return first[near], second[near]


def _distances(
    base: np.ndarray, turned: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Squared distances of rows of `base` and `turned`, float32 `(m,)`."""
    found = np.empty(len(first), np.float32)
    for start in range(0, len(first), _CHUNK):
        part = slice(start, start + _CHUNK)
        off = base[first[part]] - turned[second[part]]
        found[part] = np.einsum("ni,ni->n", off, off)
    return found


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
    first = np.concatenate([part[0] for part in found])
    second = np.concatenate([part[1] for part in found])
    turns = np.concatenate([np.full(len(p[0]), p[2], np.int8) for p in found])
    r = np.concatenate([part[3] for part in found])
    swap = first > second
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    turns = np.where(swap, _INVERSE[turns], turns)
    order = np.lexsort((turns, second, first))
    return first[order], second[order], turns[order], r[order]
