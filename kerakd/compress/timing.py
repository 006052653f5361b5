"""How long exported files take for one image, side by side."""

import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from kerakd.compress.interpreter import LiteRTModel
from kerakd.errors import RecipeError

_WARM_UP = 5


def benchmark(
    tflite: str | os.PathLike, runs: int = 50, threads: int = 2
) -> dict[str, Any]:
    """Measure the time from one image to its logits on this CPU.

    What is timed is the interpreter's work alone; the image lies in its input already.

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
    model = LiteRTModel(tflite, threads=threads)
    return {
        **summary(interleaved({"file": model}, runs=runs)["file"]),
        "threads": threads,
    }


def interleaved(
    models: Mapping[str, LiteRTModel],
    runs: int | None = None,
    seconds: float = 2.0,
) -> dict[str, list[float]]:
    """Milliseconds of one image on each model, the models taking turns.

    What else the machine does then falls on all of them alike: compare the medians, or
    the ratios within a round.

    Args:
        models: By name.
        runs: Rounds; as many as fit into `seconds`, from 10 to 200, where not given.
        seconds: About how long to measure.

    Returns:
        By name, one time for each round.

    Raises:
        RecipeError: `runs` is below 1.
    """
    if runs is not None and runs < 1:
        raise RecipeError(f"runs must be at least 1, not {runs}.")
    random = np.random.default_rng(0)
    for model in models.values():
        shape = (model.input_shape[0] or 1, *model.input_shape[1:])
        model.load(random.integers(0, 256, shape).astype(np.uint8))
    start = time.perf_counter()
    for _ in range(_WARM_UP):
        for model in models.values():
            model.invoke()
    if runs is None:
        round_seconds = (time.perf_counter() - start) / _WARM_UP
        runs = int(np.clip(seconds / round_seconds, 10, 200))
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(runs):
        for name, model in models.items():
            images = model.input_shape[0] or 1
            start = time.perf_counter()
            model.invoke()
            times[name].append((time.perf_counter() - start) * 1000 / images)
    return times


def summary(times: list[float]) -> dict[str, Any]:
    """`median_ms`, `p95_ms`, `min_ms` and `runs` of one model's times."""
    return {
        "median_ms": float(np.median(times)),
        "p95_ms": float(np.percentile(times, 95)),
        "min_ms": float(np.min(times)),
        "runs": len(times),
    }
