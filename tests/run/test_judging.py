"""What is said of several teachers and of several seeds."""

import json

import numpy as np
import pytest
from scipy.special import softmax

from kerakd.run.judging import (
    Candidate,
    agreement,
    best,
    mean_opinion,
    over_seeds,
    whether_it_helped,
)


def test_the_mean_opinion_is_that_of_the_probabilities():
    generator = np.random.default_rng(0)
    each = [generator.normal(0, 4, (50, 3)) for _ in range(3)]
    mean = softmax(mean_opinion(each), axis=1)
    expected = np.mean([softmax(one, axis=1) for one in each], axis=0)
    np.testing.assert_allclose(mean, expected, atol=1e-6)


def test_the_mean_opinion_of_extreme_logits_is_finite():
    mean = mean_opinion([np.array([[1e4, 0.0]]), np.array([[0.0, 1e4]])])
    np.testing.assert_allclose(softmax(mean, axis=1), [[0.5, 0.5]])


def test_one_opinion_stays_as_it_is():
    logits = np.array([[1.0, 2.0]])
    assert mean_opinion([logits]) is logits


def metrics(accuracy, log_loss=0.5):
    return {
        "accuracy": accuracy,
        "balanced_accuracy": accuracy,
        "macro_f1": accuracy,
        "macro_f2": accuracy,
        "log_loss": log_loss,
    }


def candidate(seed, accuracy, log_loss=0.5):
    return Candidate(seed, [], metrics(accuracy, log_loss))


def test_validation_chooses_by_accuracy_and_then_by_log_loss():
    candidates = [candidate(0, 0.8), candidate(1, 0.9, 0.4), candidate(2, 0.9, 0.3)]
    assert best(candidates).seed == 2


def told(*accuracies):
    candidates = [candidate(seed, 0.5) for seed in range(len(accuracies))]
    return over_seeds(candidates, [{"test": metrics(one)} for one in accuracies])


def told_twice(*accuracies):
    """Each seed with an accuracy on all test images and on those without a copy."""
    candidates = [candidate(seed, 0.5) for seed in range(len(accuracies))]
    tests = [
        {"test": metrics(one), "test_without_copies": metrics(other)}
        for one, other in accuracies
    ]
    return over_seeds(candidates, tests)


def test_both_lines_are_told_of_several_seeds():
    student = told_twice((0.9, 0.6), (0.95, 0.7))
    baseline = told_twice((0.8, 0.7), (0.85, 0.8))
    assert student["mean_without_copies"]["accuracy"] == pytest.approx(0.65)
    assert student["seeds"][1]["test_without_copies"]["accuracy"] == 0.7
    found = whether_it_helped(student, baseline)
    assert "helped in each" in found["verdict"]
    assert "did harm in each" in found["verdict_without_copies"]
    assert found["mean_difference_without_copies"] == pytest.approx(-0.1)


def test_mean_and_spread_are_those_of_the_test_set():
    found = told(0.8, 0.9, 1.0)
    assert found["mean"]["accuracy"] == pytest.approx(0.9)
    assert found["spread"]["accuracy"] == pytest.approx(0.1)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("student", "baseline", "part"),
    [
        ((0.9, 0.8, 0.9), (0.8, 0.7, 0.8), "helped in each of 3 seeds"),
        ((0.7, 0.7), (0.8, 0.8), "did harm in each of 2 seeds"),
        ((0.9, 0.7), (0.8, 0.8), "better in 1, worse in 1 of 2 seeds"),
        ((0.9, 0.8), (0.8, 0.8), "no consistent difference"),
    ],
)
def test_the_verdict_claims_no_more_than_every_seed_shows(student, baseline, part):
    found = whether_it_helped(told(*student), told(*baseline))
    assert part in found["verdict"]
    mean = np.mean(np.subtract(student, baseline))
    assert found["mean_difference"] == pytest.approx(mean)
    assert list(found["differences"]) == [str(i) for i in range(len(student))]


def test_one_seed_gives_no_verdict():
    assert whether_it_helped(None, told(0.8, 0.9)) == {}


def test_agreement_is_the_share_of_equal_answers():
    a = np.eye(3)[[0, 1, 2, 0]]
    b = np.eye(3)[[0, 1, 1, 1]]
    assert agreement(a, b) == 0.5
    # A single logit stands for two classes.
    assert agreement(np.array([[1.0], [-1.0]]), np.array([[2.0], [3.0]])) == 0.5
