"""What each model of a run knows: by validation to choose, by the test at the end."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerakd.evaluation import classification_metrics, predict_logits
from kerakd.evaluation.classification import class_logits
from kerakd.run.job import Job, Shape

# What is told of each seed, and averaged over seeds.
SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "macro_f2", "log_loss")
# The lines that are always shown together, and how the keys of the second end.
LINES = {"test": "", "test_without_copies": "_without_copies"}


@dataclass(frozen=True)
class Candidate:
    """A trained model and what it said of the validation set.

    Args:
        seed: The seed it was trained with.
        models: The model, or the members of an ensemble.
        validation: Metrics on the validation set.
        logits: What they rest on.
    """

    seed: int
    models: list
    validation: dict[str, Any]
    logits: np.ndarray | None = field(default=None, repr=False)

    @property
    def shape(self) -> Shape:
        return tuple(self.models[0].input_shape[1:])


def logits_of(job: Job, models: Sequence[Any], split: str, shape: Shape) -> np.ndarray:
    """Logits of one model, or of the mean opinion of several, on a split."""
    pictures = job.pictures(split, shape)
    return mean_opinion([predict_logits(model, pictures)[0] for model in models])


def mean_opinion(logits: Sequence[np.ndarray]) -> np.ndarray:
    """Logits whose softmax is the mean of the members' softmaxes.

    Args:
        logits: Of each member, shape `(N, classes)`.
    """
    if len(logits) == 1:
        return logits[0]
    from scipy.special import log_softmax, logsumexp

    each = [log_softmax(class_logits(one).astype(np.float64), axis=1) for one in logits]
    mean = logsumexp(np.stack(each), axis=0) - math.log(len(each))
    return mean.astype(np.float32)


def metrics_of(job: Job, logits: np.ndarray, split: str) -> dict[str, Any]:
    """Metrics of logits on a split."""
    labels = job.samples.subset(split).labels
    return classification_metrics(labels, logits, job.class_names)


def candidate(job: Job, seed: int, models: Sequence[Any]) -> Candidate:
    """A trained model, judged on the validation set."""
    shape = tuple(models[0].input_shape[1:])
    logits = logits_of(job, models, "validation", shape)
    return Candidate(seed, list(models), metrics_of(job, logits, "validation"), logits)


def best(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate that validation prefers."""
    return min(candidates, key=lambda c: preference(c.validation))


def preference(validation: Mapping[str, Any]) -> tuple[float, float]:
    """Sorts the better model first: by accuracy, then by log loss."""
    return (-validation["accuracy"], validation["log_loss"])


def over_seeds(
    candidates: Sequence[Candidate], tests: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Scores of each seed, their mean and their spread.

    Args:
        candidates: One for each seed.
        tests: For each its metrics on the `test` set and, where it is known which
            images have no copy in training, on `test_without_copies`.

    Returns:
        `seeds` (a list with `seed`, `validation`, `test`, `test_without_copies`),
        `mean` and `spread` (the sample standard deviation) of the scores on the test
        set, and `mean_without_copies` and `spread_without_copies`; JSON-able.
    """
    lines = [line for line in LINES if all(line in test for test in tests)]
    rows = [
        {"seed": c.seed, "validation": _scores(c.validation)}
        | {line: _scores(test[line]) for line in lines}
        for c, test in zip(candidates, tests, strict=True)
    ]
    found: dict[str, Any] = {"seeds": rows}
    for line in lines:
        values = {name: [row[line][name] for row in rows] for name in SCORES}
        ending = LINES[line]
        found[f"mean{ending}"] = {n: statistics.fmean(v) for n, v in values.items()}
        found[f"spread{ending}"] = {n: statistics.stdev(v) for n, v in values.items()}
    return found


def whether_it_helped(
    student: Mapping[str, Any] | None, baseline: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Distilled students against the same students without a teacher, seed by seed.

    Args:
        student: What `over_seeds` says of the distilled students; None for one seed.
        baseline: The same of those without a teacher.

    Returns:
        `differences` in test accuracy (by seed), `mean_difference`, and `verdict`, a
        sentence; the same ending in `_without_copies`; empty where there are not
        several seeds of both.
    """
    if not student or not baseline:
        return {}
    found: dict[str, Any] = {}
    for line, ending in LINES.items():
        if f"mean{ending}" in student and f"mean{ending}" in baseline:
            found |= _verdict(student, baseline, line, ending)
    return found


def _verdict(
    student: Mapping[str, Any], baseline: Mapping[str, Any], line: str, ending: str
) -> dict[str, Any]:
    pairs = list(zip(student["seeds"], baseline["seeds"], strict=True))
    differences = {
        str(s["seed"]): s[line]["accuracy"] - b[line]["accuracy"] for s, b in pairs
    }
    better = sum(d > 0 for d in differences.values())
    worse = sum(d < 0 for d in differences.values())
    count = len(differences)
    figures = (
        f"{_with_spread(student, ending)} with a teacher, "
        f"{_with_spread(baseline, ending)} without, "
        f"mean and standard deviation over {count} seeds"
    )
    if better == count:
        verdict = f"Distillation helped in each of {count} seeds: {figures}."
    elif worse == count:
        verdict = f"Distillation did harm in each of {count} seeds: {figures}."
    else:
        verdict = (
            f"Distillation made no consistent difference (better in {better}, worse in "
            f"{worse} of {count} seeds): {figures}."
        )
    return {
        f"differences{ending}": differences,
        f"mean_difference{ending}": statistics.fmean(differences.values()),
        f"verdict{ending}": verdict,
    }


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """The share of rows in which two models name the same class."""
    a, b = class_logits(a), class_logits(b)
    return float((a.argmax(axis=1) == b.argmax(axis=1)).mean())


def total(models: Sequence[Any], measure: Callable[[Any], float]) -> Any:
    """A cost, added up over the members of an ensemble."""
    return sum(measure(model) for model in models)


def _scores(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: metrics[name] for name in SCORES}


def _with_spread(known: Mapping[str, Any], ending: str) -> str:
    mean, spread = (known[f"{kind}{ending}"]["accuracy"] for kind in ("mean", "spread"))
    return f"{100 * mean:.2f} \N{PLUS-MINUS SIGN} {100 * spread:.2f}%"
