"""Means with bootstrap intervals that draw whole groups."""

from typing import Any

import numpy as np

from kerakd.errors import DataError


def mean_interval(
    values: Any,
    groups: Any = None,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """The mean of values and its percentile bootstrap interval.

    Args:
        values: One for each picture, (N,); NaN counts as "nothing to measure" and is
            left out.
        groups: What is drawn together (patients, clusters of copies), (N,); by default
            each picture on its own.
        resamples: How many draws, at least 1.
        seed: Of the draws.
        confidence: Coverage, between 0 and 1.

    Returns:
        `mean`, `interval` (low, high) and `count`; JSON-able, `None` for no values.
    """
    values = np.asarray(values, np.float64).reshape(-1)
    if resamples < 1 or not 0 < confidence < 1:
        raise DataError(
            "A bootstrap needs at least 1 draw and a confidence between 0 and 1; got "
            f"{resamples} and {confidence}."
        )
    kept = np.isfinite(values)
    if groups is None:
        members = np.arange(kept.sum())
    else:
        groups = np.asarray(groups).reshape(-1)
        if groups.shape != values.shape:
            raise DataError(
                f"There are {len(values)} values and {len(groups)} groups; give one "
                "group for each picture."
            )
        members = np.unique(groups[kept], return_inverse=True)[1]
    values = values[kept]
    if len(values) == 0:
        return {"mean": None, "interval": None, "count": 0}
    count = members.max() + 1
    sums = np.bincount(members, values, count)
    sizes = np.bincount(members, minlength=count)
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=resamples)
    means = (drawn @ sums) / (drawn @ sizes)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return {
        "mean": float(values.mean()),
        "interval": [float(low), float(high)],
        "count": len(values),
    }
