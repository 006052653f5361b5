import json

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binom

from kerakd.evaluation import compare, compare_all, fidelity, mcnemar
from kerakd.evaluation.comparing import class_logits


def saying(answers, classes=2):
    return 3.0 * np.eye(classes)[answers]


def test_mcnemar_on_a_table_worked_by_hand():
    # 101 both right, 9 only a, 2 only b, 5 both wrong.
    a = [0] * 110 + [1] * 7
    b = [0] * 101 + [1] * 9 + [0] * 2 + [1] * 5
    found = mcnemar(np.zeros(117, int), saying(a), saying(b))
    counts = ["both_right", "only_a_right", "only_b_right", "both_wrong"]
    assert [found[key] for key in counts] == [101, 9, 2, 5]
    # Twice the lower tail of 2 or fewer of 11 at a half: 2 * (1 + 11 + 55) / 2048.
    assert found["p_value"] == pytest.approx(134 / 2048)
    assert found["p_value"] == pytest.approx(2 * binom.cdf(2, 11, 0.5))
    other = mcnemar(np.zeros(117, int), saying(b), saying(a))
    assert other["p_value"] == found["p_value"]
    assert other["only_a_right"] == 2


def test_models_that_never_differ_give_no_evidence():
    assert mcnemar([0, 1], saying([0, 0]), saying([0, 0]))["p_value"] == 1


def test_every_pair_is_compared_once():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 40)
    logits = {name: rng.normal(size=(40, 2)) for name in ("teacher", "student", "b")}
    found = compare_all(labels, logits, np.arange(40) // 2, resamples=50)
    pairs = [(one["a"], one["b"]) for one in found]
    assert pairs == [("teacher", "student"), ("teacher", "b"), ("student", "b")]
    alone = compare(
        labels, logits["student"], logits["b"], np.arange(40) // 2, resamples=50
    )
    assert found[2] == {"a": "student", "b": "b"} | alone
    json.dumps(found, allow_nan=False)


def test_fidelity_worked_by_hand():
    labels = np.array([0, 0, 1, 1, 1])
    teacher = saying([0, 1, 1, 0, 0])
    student = saying([0, 1, 0, 0, 1])
    found = fidelity(labels, teacher, student)
    assert found["top1_agreement"] == 3 / 5
    # The teacher errs on rows 1, 3 and 4; the student follows on 1 and 3.
    assert found["teacher_errors"] == 3
    assert found["same_error"] == pytest.approx(2 / 3)
    assert found["mended"] == pytest.approx(1 / 3)
    p, q = softmax(teacher, axis=1), softmax(student, axis=1)
    expected = (p * np.log(p / q)).sum(axis=1).mean()
    assert found["mean_kl"] == pytest.approx(expected)


def test_a_faultless_teacher_has_no_errors_to_agree_on():
    found = fidelity([0, 1], saying([0, 1]), saying([0, 0]))
    assert found["same_error"] is None
    assert found["mended"] is None
    same = fidelity([0, 1], saying([0, 1]), saying([0, 1]))
    assert (same["mean_kl"], same["top1_agreement"]) == (0, 1)


def test_one_output_is_a_pair():
    z = np.array([1.0, -2.0])
    assert fidelity([1, 0], z, class_logits(z))["mean_kl"] == 0
