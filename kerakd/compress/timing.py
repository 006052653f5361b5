"""How long an exported file takes for one image."""

import os
import time
from typing import Any

import numpy as np

from kerakd.compress.interpreter import LiteRTModel
from kerakd.errors import RecipeError

_WARM_UP = 5


def benchmark(
    tflite: str | os.PathLike, runs: int = 50, threads: int = 2
) -> dict[str, Any]:
    """Measure the time from one image to its logits on this CPU.

    Args:
        tflite: Path of a `.tflite` file.
        runs: Measured calls, after 5 that are not; at least 1. Defaults to 50.
        threads: CPU threads. Defaults to 2.

    Returns:
        A JSON-able dict: `median_ms`, `p95_ms`, `min_ms`, `runs`, `threads`.

    Raises:
        ModelError: The file cannot be loaded.
        RecipeError: `runs` is below 1.
    """
    if runs < 1:
        raise RecipeError(f"runs must be at least 1, not {runs}.")
    model = LiteRTModel(tflite, threads=threads)
    shape = (model.input_shape[0] or 1, *model.input_shape[1:])
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    for _ in range(_WARM_UP):
        model(images)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        model(images)
        times.append((time.perf_counter() - start) * 1000 / len(images))
    return {
        "median_ms": float(np.median(times)),
        "p95_ms": float(np.percentile(times, 95)),
        "min_ms": float(np.min(times)),
        "runs": runs,
        "threads": threads,
    }
