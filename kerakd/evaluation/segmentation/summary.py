"""From cases to one line for a table: means over patients, with their uncertainty."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerakd.errors import DataError
from kerakd.evaluation.segmentation.case import METRICS

_RESAMPLES = 2000


def summarise(
    cases: Mapping[str, Mapping[str, Mapping[str, Any]]],
    patients: Sequence[str] | None = None,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Means over patients and their bootstrap intervals.

    A patient with several examinations counts once, by the mean of these; patients are
    what is drawn anew, 2000 times (percentile bootstrap). What is NaN is left out, and
    counted.

    Args:
        cases: `{case: evaluate_case(...)}`.
        patients: The patient of each case, in the order of `cases`; by default each
            case is one.
        confidence: Coverage of the intervals, between 0 and 1.
        seed: Of the draws.

    Returns:
        `{region: {metric: {"mean", "interval", "median", "patients", "left_out"}}}`;
        mean, interval and median are None where nothing is left.

    Raises:
        DataError: There are no cases, or the patients are not as many.
    """
    patients = list(cases) if patients is None else list(patients)
    if not cases or len(patients) != len(cases):
        raise DataError(
            f"Figures of {len(cases)} cases of {len(patients)} patients cannot be "
            "summarised; give one or more cases and the patient of each."
        )
    names, place = np.unique(patients, return_inverse=True)
    tails = 100 * np.array([1 - confidence, 1 + confidence]) / 2
    result = {}
    for region in next(iter(cases.values())):
        result[region] = {}
        for metric in METRICS:
            values = np.array(
                [one[region][metric] for one in cases.values()], np.float64
            )
            known = ~np.isnan(values)
            sums = np.bincount(place[known], values[known], len(names))
            counts = np.bincount(place[known], minlength=len(names))
            with np.errstate(invalid="ignore"):
                means = sums / counts
            result[region][metric] = _described(means, seed, tails)
    return result


def _described(means: np.ndarray, seed: int, tails: np.ndarray) -> dict[str, Any]:
    known = means[~np.isnan(means)]
    told = {
        "mean": None,
        "interval": None,
        "median": None,
        "patients": len(known),
        "left_out": len(means) - len(known),
    }
    if len(known):
        shape = (_RESAMPLES, len(known))
        rows = np.random.default_rng(seed).integers(0, len(known), shape)
        drawn = known[rows].mean(axis=1)
        told["mean"] = float(known.mean())
        told["interval"] = [float(x) for x in np.percentile(drawn, tails)]
        told["median"] = float(np.median(known))
    return told
