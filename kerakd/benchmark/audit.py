"""How the search for copies grows with the number of images."""

import time

import numpy as np

from kerakd.errors import RecipeError

_SIDE = 32
_CHUNK = 1000


def benchmark_audit(
    sizes: tuple[int, ...] = (5_000, 20_000, 100_000), seed: int = 0
) -> dict:
    """Time the hashed index of `kerakd.data.audit` on synthetic thumbnails.

    Each thumbnail is a smooth random field in a head-like outline; every tenth is a
    copy of an earlier one in one of the eight symmetries with another contrast. Reading
    files is not part of it: that is linear in their number.

    Args:
        sizes: Numbers of images.
        seed: Of the pictures.

    Returns:
        Per size (`runs`): processor seconds in all and per n log2 n relative to the
        smallest size, candidate pairs, and how many of the planted copies were found.

    Raises:
        RecipeError: A size is below 100.
    """
    if not sizes or min(sizes) < 100:
        raise RecipeError(
            f"sizes must be numbers of images of 100 or more, not {sizes!r}."
        )
    from kerakd.data.audit.confirm import COARSE
    from kerakd.data.audit.index import candidates

    runs = []
    for size in sizes:
        thumbs, copies = _pictures(size, np.random.default_rng(seed))
        wall, processor = time.perf_counter(), time.process_time()
        found = candidates(thumbs, COARSE, exact=0)
        processor = time.process_time() - processor
        wall = time.perf_counter() - wall
        pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
        runs.append(
            {
                "images": size,
                "processor_seconds": processor,
                "wall_seconds": wall,
                "candidates": len(pairs),
                "planted": len(copies),
                "found": sum(pair in pairs for pair in copies),
                "crowded": found.crowded,
            }
        )
    rate = [r["processor_seconds"] / (r["images"] * np.log2(r["images"])) for r in runs]
    for run, one in zip(runs, rate, strict=True):
        run["relative_to_n_log_n"] = float(one / rate[0])
    return {"seed": seed, "runs": runs}


def _pictures(
    count: int, random: np.random.Generator
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Thumbnails uint8 `(count, 32, 32)`, and the planted pairs of copies."""
    from scipy.ndimage import gaussian_filter

    from kerakd.data.audit.index import turn

    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    thumbs = np.empty((count, _SIDE, _SIDE), np.uint8)
    for start in range(0, count, _CHUNK):
        number = min(_CHUNK, count - start)
        width = random.uniform(0.6, 0.85, (number, 1, 1))
        height = random.uniform(0.75, 0.95, (number, 1, 1))
        head = (x / width) ** 2 + (y / height) ** 2 < 1
        field = gaussian_filter(random.normal(size=(number, _SIDE, _SIDE)), (0, 2, 2))
        field /= field.std(axis=(1, 2), keepdims=True)
        thumbs[start : start + number] = np.clip(100 + 40 * field, 5, 250) * head
    copies = []
    for row in range(10, count, 10):
        original = int(random.integers(row))
        picture = turn(thumbs[original], int(random.integers(8)))
        thumbs[row] = 10 + random.uniform(0.6, 0.9) * picture
        copies.append((original, row))
    return thumbs, copies
