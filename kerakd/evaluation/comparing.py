"""Two models on the same pictures: is the difference more than chance?"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from kerakd.evaluation.batches import integer_labels
from kerakd.evaluation.bootstrap import RESAMPLES, paired_bootstrap
from kerakd.evaluation.classification import class_logits


def mcnemar(labels: Any, logits_a: Any, logits_b: Any) -> dict[str, Any]:
    """McNemar's exact test of whether two models are right equally often.

    Only pictures on which one is right and the other wrong count; under the null
    hypothesis either is as likely (McNemar 1947, with the exact binomial). It takes
    pictures as independent: where copies and slices of one patient are among them, the
    p-value is too small, and the paired bootstrap over groups is to be read instead.

    Args:
        labels: Class indices of shape (N,), or one-hot rows.
        logits_a: Of the one model, as in `classification_metrics`.
        logits_b: Of the other.

    Returns:
        `both_right`, `only_a_right`, `only_b_right`, `both_wrong` (pictures) and
        `p_value` (two-sided, 1 where the two never differ).
    """
    from scipy.stats import binomtest

    labels = integer_labels(labels)
    a, b = (class_logits(z).argmax(axis=1) == labels for z in (logits_a, logits_b))
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    differ = only_a + only_b
    return {
        "both_right": int((a & b).sum()),
        "only_a_right": only_a,
        "only_b_right": only_b,
        "both_wrong": int((~a & ~b).sum()),
        "p_value": float(binomtest(only_a, differ).pvalue) if differ else 1.0,
    }


def compare(
    labels: Any,
    logits_a: Any,
    logits_b: Any,
    groups: Sequence[Any] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """McNemar's test and the paired bootstrap of two models.

    ```python
    said = kerakd.evaluation.read_predictions("runs/mri/predictions.csv")
    found = kerakd.evaluation.compare(
        said.labels, said.logits["student"], said.logits["baseline"], said.groups
    )
    print(found["accuracy"]["interval"], found["mcnemar"]["p_value"])
    ```

    Args:
        labels: Class indices of shape (N,), or one-hot rows.
        logits_a: Of the one model, as in `classification_metrics`.
        logits_b: Of the other.
        groups: As in `bootstrap_intervals`.
        resamples: As there.
        seed: As there.

    Returns:
        What `paired_bootstrap` gives, and `mcnemar`.
    """
    return {
        **paired_bootstrap(
            labels, logits_a, logits_b, groups, resamples=resamples, seed=seed
        ),
        "mcnemar": mcnemar(labels, logits_a, logits_b),
    }


def compare_all(
    labels: Any,
    logits: Mapping[str, Any],
    groups: Sequence[Any] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """`compare` for every pair of models, in the order in which they come.

    Args:
        labels: Class indices of shape (N,).
        logits: By model name.
        groups: As in `bootstrap_intervals`.
        resamples: As there.
        seed: As there.

    Returns:
        For each pair what `compare` gives, with the names as `a` and `b`.
    """
    return [
        {"a": a, "b": b}
        | compare(labels, logits[a], logits[b], groups, resamples=resamples, seed=seed)
        for a, b in combinations(logits, 2)
    ]


def fidelity(labels: Any, teacher_logits: Any, student_logits: Any) -> dict[str, Any]:
    """How far a student says what its teacher says, right or wrong.

    Args:
        labels: Class indices of shape (N,), or one-hot rows.
        teacher_logits: Shape (N, C).
        student_logits: Shape (N, C).

    Returns:
        `top1_agreement` (share of pictures of which both name the same class),
        `mean_kl` (KL(teacher || student) of the probabilities in nats, mean over
        pictures), `teacher_errors` (pictures that the teacher gets wrong) and, among
        these, `same_error` (share of which the student names the same wrong class) and
        `mended` (share that the student gets right); both `None` where the teacher
        makes no error.
    """
    from scipy.special import log_softmax

    labels = integer_labels(labels)
    teacher, student = class_logits(teacher_logits), class_logits(student_logits)
    p, q = (log_softmax(z.astype(np.float64), axis=1) for z in (teacher, student))
    said, learned = teacher.argmax(axis=1), student.argmax(axis=1)
    wrong = said != labels
    divergence = (np.exp(p) * (p - q)).sum(axis=1).mean()
    return {
        "top1_agreement": float((said == learned).mean()),
        # Rounding may leave a hair below 0 where the two are equal.
        "mean_kl": max(0.0, float(divergence)),
        "teacher_errors": int(wrong.sum()),
        "same_error": float((said == learned)[wrong].mean()) if wrong.any() else None,
        "mended": float((learned == labels)[wrong].mean()) if wrong.any() else None,
    }
