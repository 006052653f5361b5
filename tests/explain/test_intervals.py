import numpy as np
import pytest

from kerakd.errors import DataError
from kerakd.explain.intervals import mean_interval


def test_interval_of_a_mean():
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = mean_interval(values)
    assert found["mean"] == pytest.approx(values.mean())
    low, high = found["interval"]
    assert low < found["mean"] < high
    # As wide as the textbook's: 2 * 1.96 * 2 / sqrt(400) = 0.39.
    assert high - low == pytest.approx(0.39, abs=0.05)
    assert mean_interval(values) == found


def test_copies_in_one_group_are_no_more_evidence():
    values = np.random.default_rng(0).normal(size=50)
    alone = mean_interval(values)["interval"]
    copied = mean_interval(np.repeat(values, 8), np.repeat(np.arange(50), 8))
    assert copied["count"] == 400
    assert copied["interval"] == pytest.approx(alone, abs=0.05)
    naive = mean_interval(np.repeat(values, 8))["interval"]
    assert naive[1] - naive[0] < 0.5 * (alone[1] - alone[0])


def test_what_was_not_measured_is_left_out():
    found = mean_interval([1.0, np.nan, 3.0], groups=["a", "b", "a"])
    assert found == {"mean": 2.0, "interval": [2.0, 2.0], "count": 2}
    assert mean_interval([np.nan]) == {"mean": None, "interval": None, "count": 0}
    with pytest.raises(DataError, match="2 values and 1 groups"):
        mean_interval([1, 2], groups=["a"])
