"""Does the memory of a cached training grow with the data? `kerakd benchmark cache`."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.benchmark.memory import Peak, resident
from kerakd.distillation.cache.key import FORMAT
from kerakd.distillation.cache.teacher_cache import TeacherCache

_BLOCK = 4096


def benchmark_cache(
    samples: Sequence[int] = (10_000, 100_000, 1_000_000),
    views: int = 4,
    classes: int = 4,
    batch_size: int = 32,
    mode: str = "compact",
) -> dict[str, Any]:
    """Read an epoch of caches of made-up logits, and watch the memory.

    Args:
        samples: Sizes of the data set.
        views: Views of each sample.
        classes: Logits of a sample.
        batch_size: Samples in a step.
        mode: As in `TeacherCache.build`.

    Returns:
        A JSON-able dict: `caches`, each with `samples`, `megabytes_on_disk`,
        `anonymous_megabytes_before`, `anonymous_megabytes_peak`, `file_megabytes`,
        `seconds_to_open` (all checksums are compared) and `microseconds_a_batch`.

    Raises:
        KerakdError: The system does not tell what a process holds.
    """
    resident()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for count in samples:
            path = Path(folder) / str(count)
            _write(path, count, views, classes, mode)
            found.append(_read(path, batch_size))
    return {
        "views": views,
        "classes": classes,
        "batch_size": batch_size,
        "mode": mode,
        "caches": found,
    }


def _write(path: Path, count: int, views: int, classes: int, mode: str) -> None:
    info = {
        "key": {"format": FORMAT},
        "mode": mode,
        "views": views,
        "samples": count,
        "block": _BLOCK,
        "output_shape": [1, classes],
    }
    cache = TeacherCache._create(path, info)
    random = np.random.default_rng(0)
    for view in range(views):
        for number in cache._store.missing(view):
            rows = cache._store.rows(number)
            logits = random.normal(0, 4, (rows.stop - rows.start, 1, classes))
            cache._store.write(view, number, cache._encoded({"logits": logits}))


def _read(path: Path, batch_size: int) -> dict[str, Any]:
    before = resident()["anonymous"]
    with Peak() as peak:
        start = time.perf_counter()
        cache = TeacherCache.open(path)
        opened = time.perf_counter() - start
        count = cache.info["samples"]
        # The order of an epoch is the data's, 8 bytes a sample, and not the cache's.
        random = np.random.default_rng(0)
        batches = count // batch_size
        start = time.perf_counter()
        for _ in range(batches):
            cache.read(0, random.integers(0, count, batch_size))
        seconds = time.perf_counter() - start
    return {
        "samples": count,
        "megabytes_on_disk": round(cache.nbytes / 1e6, 2),
        "anonymous_megabytes_before": round(before, 1),
        "anonymous_megabytes_peak": round(peak.megabytes, 1),
        "file_megabytes": round(resident()["file"], 1),
        "seconds_to_open": round(opened, 2),
        "microseconds_a_batch": round(1e6 * seconds / batches, 1),
    }
