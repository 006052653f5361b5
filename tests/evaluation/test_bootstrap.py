import json

import numpy as np
import pytest

from kerakd.errors import DataError
from kerakd.evaluation import (
    bootstrap_intervals,
    classification_metrics,
    paired_bootstrap,
    wilson_interval,
)
from kerakd.evaluation.bootstrap import METRICS


def case(count=300, strength=1.5, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    logits = rng.normal(size=(count, 3)) + strength * np.eye(3)[labels]
    return labels, logits.astype(np.float32)


def test_intervals_hold_the_metrics_of_classification():
    labels, logits = case()
    metrics = classification_metrics(labels, logits, "abc")
    found = bootstrap_intervals(labels, logits, resamples=500)
    for name in METRICS:
        low, high = found[name]
        assert low < metrics[name] < high
    assert found["groups"] == 300
    json.dumps(found, allow_nan=False)


def test_a_difference_is_that_of_the_metrics():
    labels, a = case()
    _, b = case(strength=1.5, seed=0)
    b = np.where(np.arange(300)[:, None] < 40, -b, b)
    found = paired_bootstrap(labels, a, b, resamples=200)
    one, other = (classification_metrics(labels, z, "abc") for z in (a, b))
    for name in METRICS:
        expected = one[name] - other[name]
        assert found[name]["difference"] == pytest.approx(expected, abs=1e-6)


def test_independent_pictures_give_about_wilsons_interval():
    labels, logits = case(1000)
    found = bootstrap_intervals(labels, logits)["accuracy"]
    accuracy = classification_metrics(labels, logits, "abc")["accuracy"]
    assert found == pytest.approx(wilson_interval(accuracy, 1000), abs=0.006)


def test_ten_copies_of_each_picture_add_nothing():
    labels, logits = case(100)
    alone = bootstrap_intervals(labels, logits, seed=3)
    copies = bootstrap_intervals(
        np.repeat(labels, 10),
        np.repeat(logits, 10, axis=0),
        np.repeat(np.arange(100), 10),
        seed=3,
    )
    for name in METRICS:
        assert copies[name] == pytest.approx(alone[name], abs=1e-6)
    naive = bootstrap_intervals(np.repeat(labels, 10), np.repeat(logits, 10, axis=0))
    width = [high - low for low, high in (naive["accuracy"], copies["accuracy"])]
    assert width[0] < 0.5 * width[1]


def test_group_names_are_of_any_kind_and_order_does_not_matter():
    labels, logits = case(60)
    groups = np.repeat(np.arange(20), 3)
    by_number = bootstrap_intervals(labels, logits, groups)
    names = [f"p{g:03}" for g in groups]
    assert bootstrap_intervals(labels, logits, names) == by_number


def test_all_right_is_not_certainty():
    labels = np.array([0, 1] * 30)
    found = bootstrap_intervals(labels, 5 * np.eye(2)[labels], np.arange(60) // 6)
    assert found["accuracy"] == list(wilson_interval(1.0, 10))


def test_the_same_model_twice_does_not_differ():
    labels, logits = case(50)
    found = paired_bootstrap(labels, logits, logits)
    assert found["accuracy"] == {"difference": 0, "interval": [0, 0]}


def test_a_resample_may_lack_a_class():
    found = bootstrap_intervals([0, 0, 0, 1], np.eye(2)[[0, 0, 1, 1]], resamples=300)
    assert np.isfinite([found[name] for name in METRICS]).all()


@pytest.mark.parametrize(
    ("labels", "groups"), [([0, 1], None), ([0, 1, 2], [1, 2]), ([], [])]
)
def test_what_does_not_fit_is_refused(labels, groups):
    with pytest.raises(DataError, match="same pictures"):
        bootstrap_intervals(np.array(labels, int), np.zeros((3, 3)), groups)
