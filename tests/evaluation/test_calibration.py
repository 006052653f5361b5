import numpy as np
import pytest

from kerakd.errors import DataError
from kerakd.evaluation import calibration, fit_temperature, reliability


def pair(probability):
    """Two-class logits that give class 1 this probability."""
    p = np.asarray(probability, float)
    return np.stack([np.zeros_like(p), np.log(p / (1 - p))], axis=1)


def test_a_case_worked_by_hand():
    # Four pictures at 0.95 of which three are right; one at 0.65 that is wrong.
    found = reliability([1, 1, 1, 0, 0], pair([0.95, 0.95, 0.95, 0.95, 0.65]), bins=10)
    low, high = found["bins"]
    assert (low["low"], low["high"], low["count"]) == (0.6, 0.7, 1)
    assert low["accuracy"] == 0
    assert low["confidence"] == pytest.approx(0.65)
    assert high["count"] == 4
    assert high["accuracy"] == 0.75
    assert found["ece"] == pytest.approx(4 / 5 * 0.2 + 1 / 5 * 0.65)
    assert found["max_error"] == pytest.approx(0.65)


def test_bins_hold_every_picture_once_and_edges_belong_below():
    found = reliability([1, 1, 0], [[0, 0], [0, 200], [0, 0]], bins=2)
    assert [one["count"] for one in found["bins"]] == [2, 1]
    assert found["bins"][0]["high"] == 0.5


def test_the_temperature_that_spoiled_the_logits_is_found():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20000, 4)) * 2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (p.cumsum(axis=1) > rng.random((20000, 1))).argmax(axis=1)
    for spoiled in (0.5, 1.0, 3.0):
        assert fit_temperature(labels, logits * spoiled) == pytest.approx(
            spoiled, rel=0.05
        )


def test_scaling_lowers_the_loss_and_leaves_the_answers():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 600)
    logits = (rng.normal(size=(600, 3)) + np.eye(3)[labels]) * 6
    temperature = fit_temperature(labels, logits)
    assert temperature > 2
    found = calibration(labels, logits, temperature)
    assert found["scaled"]["log_loss"] < found["as_it_is"]["log_loss"]
    assert found["scaled"]["ece"] < found["as_it_is"]["ece"]
    assert found["as_it_is"]["ece"] == reliability(labels, logits)["ece"]
    best = calibration(labels, logits, temperature)["scaled"]["log_loss"]
    for other in (0.9 * temperature, 1.1 * temperature):
        assert calibration(labels, logits, other)["scaled"]["log_loss"] > best


def test_a_model_that_is_always_right_is_left_as_it_is():
    assert fit_temperature([0, 1], [[3.0, 0], [0, 3.0]]) == 1


def test_one_output_is_a_sigmoid():
    z = np.array([2.0, -1.0, 0.5])
    both = np.stack([np.zeros(3), z], axis=1)
    assert reliability([1, 0, 0], z) == reliability([1, 0, 0], both)


@pytest.mark.parametrize(("labels", "part"), [([0], "1 labels"), ([0, 2], "0 to 2")])
def test_labels_that_do_not_fit_are_refused(labels, part):
    with pytest.raises(DataError, match=part):
        reliability(labels, [[0.0, 1.0], [1.0, 0.0]])
