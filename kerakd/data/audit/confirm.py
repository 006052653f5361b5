"""Are two pictures copies, or two slices of heads that look alike?

Neighbouring slices, and heads of two patients in the same position, correlate up to
0.99 as thumbnails: skull and background fill most of both. What they do not share is
the detail in every part. So each pair is compared again at 128 pixels, band-passed
(Gaussian of 1 minus Gaussian of 2 pixels, which takes away brightness, shading and the
larger part of a contrast change), as a whole and block by block: of the blocks with
detail, nine in ten must agree.
"""

import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kerakd.data.audit.index import Candidates, turn
from kerakd.data.audit.marks import each, grey

SIDE = 128
BLOCK = 16
# Least normalised correlation: of thumbnails, of all detail, of the blocks' 10th
# percentile. Set by looking at pairs of the Kaggle MRI set (docs/audit.md).
COARSE, DETAIL, LOCAL = 0.96, 0.88, 0.80
_FINE, _BROAD = 1.0, 2.0
_CHUNK = 128
# Detail beyond this lies in a file that the system may write out.
_IN_MEMORY = 512 * 2**20


def confirm(
    found: Candidates,
    paths: list[Path],
    progress: bool | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compare candidate pairs in detail.

    Args:
        found: The pairs, as positions in `paths`.
        paths: The image files; only those that are in a pair are read.
        progress: Whether to show a bar while they are read.
        advance: Told how many pairs were compared.

    Returns:
        Correlation of the whole detail, and 10th percentile of that of the blocks, both
        float32 `(m,)`.
    """
    whole = np.zeros(len(found.first), np.float32)
    local = np.zeros(len(found.first), np.float32)
    involved = np.union1d(found.first, found.second)
    if not len(involved):
        return whole, local
    with _details([paths[i] for i in involved], progress) as details:
        first = np.searchsorted(involved, found.first)
        second = np.searchsorted(involved, found.second)
        for symmetry in np.unique(found.symmetry):
            rows = np.flatnonzero(found.symmetry == symmetry)
            for start in range(0, len(rows), _CHUNK):
                part = rows[start : start + _CHUNK]
                a = details[first[part]].astype(np.float32)
                b = turn(details[second[part]].astype(np.float32), int(symmetry))
                whole[part], local[part] = agreement(a, b)
                advance(len(part))
    return whole, local


def is_copy(coarse: np.ndarray, whole: np.ndarray, local: np.ndarray) -> np.ndarray:
    """Which pairs count as copies."""
    return (coarse >= COARSE) & (whole >= DETAIL) & (local >= LOCAL)


def detail(picture: np.ndarray) -> np.ndarray:
    """Band-passed picture, scaled to int8.

    Args:
        picture: Grey, uint8 `(128, 128)`.
    """
    picture = picture.astype(np.float32)
    band = _blur(picture, _FINE) - _blur(picture, _BROAD)
    largest = np.abs(band).max()
    return np.rint(band * (127 / largest if largest else 0)).astype(np.int8)


def _blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(picture, sigma, truncate=3)


def agreement(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the detail of two stacks of pictures agrees.

    Args:
        a: float32 `(m, 128, 128)`.
        b: The same, turned to lie on `a`.

    Returns:
        The correlation over the whole picture; the 10th percentile of the correlations
        of those 16x16 blocks that hold detail in both, or much in one.
    """
    count, blocks = len(a), SIDE // BLOCK
    a, b = (
        x.reshape(count, blocks, BLOCK, blocks, BLOCK)
        .transpose(0, 1, 3, 2, 4)
        .reshape(count, blocks**2, BLOCK**2)
        for x in (a, b)
    )
    pairs = ((a, a), (b, b), (a, b))
    aa, bb, ab = (np.einsum("nij,nij->ni", x, y) for x, y in pairs)
    whole = ab.sum(axis=1) / np.sqrt(aa.sum(axis=1) * bb.sum(axis=1) + 1e-9)
    share_a = aa / (aa.mean(axis=1, keepdims=True) + 1e-9)
    share_b = bb / (bb.mean(axis=1, keepdims=True) + 1e-9)
    holds = np.minimum(share_a, share_b) > 0.02
    holds |= np.maximum(share_a, share_b) > 0.5
    # The other blocks go to the end of the sorted row, behind the tenth that counts.
    r = np.sort(np.where(holds, ab / np.sqrt(aa * bb + 1e-9), np.inf), axis=1)
    tenth = (holds.sum(axis=1) - 1).clip(min=0) // 10
    local = np.take_along_axis(r, tenth[:, None], axis=1)[:, 0]
    local = np.where(holds.any(axis=1), local, 0)
    return whole.astype(np.float32), local.astype(np.float32)


@contextmanager
def _details(paths: list[Path], progress: bool | None):
    shape = (len(paths), SIDE, SIDE)
    with tempfile.TemporaryFile() as file:
        if np.prod(shape) <= _IN_MEMORY:
            held = np.empty(shape, np.int8)
        else:
            held = np.memmap(file, np.int8, "w+", shape=shape)
        found = each(_detail_of, paths, "Comparing detail", progress)
        for row, one in enumerate(found):
            held[row] = one
        yield held


def _detail_of(path: Path) -> np.ndarray:
    return detail(grey(path, SIDE))
