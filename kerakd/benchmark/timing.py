"""Blocks of work that take turns, so that a busy machine slows all of them alike."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerakd import hardware


def interleave(
    blocks: Mapping[str, Callable[[], Any]], repeats: int
) -> dict[str, np.ndarray]:
    """Run every block in turn, `repeats` times over, after one turn untimed.

    Args:
        blocks: What to time, by name; each returns when its work is done.
        repeats: Timed turns, at least 1.

    Returns:
        Seconds by name, shape `(repeats, 2)`: by the clock, and of all processors.
    """
    for block in blocks.values():
        block()
    found = {name: [] for name in blocks}
    for turn in range(repeats):
        # Back and forth, so that no block is always the one behind another.
        names = list(blocks)[:: 1 if turn % 2 == 0 else -1]
        for name in names:
            clock, processor = time.perf_counter(), time.process_time()
            blocks[name]()
            found[name].append(
                (time.perf_counter() - clock, time.process_time() - processor)
            )
    return {name: np.array(times) for name, times in found.items()}


def ratio(times: Mapping[str, np.ndarray], one: str, other: str) -> dict[str, float]:
    """How much longer `one` takes than `other`, turn by turn.

    Returns:
        `median`, `lower_quartile`, `upper_quartile` by the clock, and
        `processor_median`.
    """
    each = times[one] / times[other]
    low, middle, high = np.percentile(each[:, 0], [25, 50, 75])
    return {
        "median": round(float(middle), 4),
        "lower_quartile": round(float(low), 4),
        "upper_quartile": round(float(high), 4),
        "processor_median": round(float(np.median(each[:, 1])), 4),
    }


def milliseconds(times: np.ndarray, count: int) -> dict[str, float]:
    """Median milliseconds of one of `count` equal parts of a block."""
    clock, processor = 1e3 * np.median(times, axis=0) / count
    return {
        "milliseconds": round(float(clock), 2),
        "processor_milliseconds": round(float(processor), 2),
    }


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processors": os.cpu_count(),
        "bfloat16_processor": hardware.computes("bfloat16"),
        "load_at_start": load,
    }
