import math

import numpy as np
import pytest

from kerakd.errors import DataError, RecipeError
from kerakd.evaluation.segmentation import METRICS, evaluate_case, summarise

SPACING = (2.0, 1.0, 1.0)


@pytest.fixture
def pair():
    truth = np.zeros((10, 20, 20), np.uint8)
    truth[2:8, 4:16, 4:16] = 2
    truth[3:7, 6:14, 6:14] = 3
    truth[4:6, 8:12, 8:12] = 1
    said = truth.copy()
    said[truth == 3] = 1  # the core is found, what enhances in it is not
    return truth, said


def test_regions_of_a_case(pair):
    found = evaluate_case(*pair, SPACING)
    assert list(found) == ["WT", "TC", "ET"]
    for region in ("WT", "TC"):
        for metric, more_is_better in METRICS.items():
            assert found[region][metric] == (1 if more_is_better else 0), metric
    lost = found["ET"]
    assert (lost["dice"], lost["hd95"], lost["sensitivity"]) == (0, 374, 0)
    assert lost["lesions"]["missed"] == 1
    assert found["WT"]["volume_ml"] == pytest.approx(6 * 12 * 12 * 2 / 1000)
    assert lost["true_volume_ml"] == pytest.approx((4 * 8 * 8 - 2 * 4 * 4) * 2 / 1000)
    assert lost["volume_ml"] == 0


def test_bad_arguments(pair):
    with pytest.raises(DataError, match="two volumes of one shape"):
        evaluate_case(pair[0], pair[1][1:], SPACING)
    with pytest.raises(RecipeError, match="no region 'NCR'"):
        evaluate_case(*pair, SPACING, ("NCR",))


def case(value):
    metrics = dict.fromkeys(METRICS, value)
    return {"WT": metrics}


def test_a_patient_counts_once():
    cases = {"a0": case(0.0), "a1": case(1.0), "b": case(1.0), "c": case(1.0)}
    told = summarise(cases, ["a", "a", "b", "c"])["WT"]["dice"]
    assert told["mean"] == pytest.approx(2.5 / 3)
    assert told["patients"] == 3
    assert summarise(cases)["WT"]["dice"]["mean"] == pytest.approx(0.75)


def test_intervals_hold_the_mean_and_shrink_with_patients():
    random = np.random.default_rng(0)
    widths = []
    for count in (10, 100):
        cases = {str(i): case(v) for i, v in enumerate(random.random(count))}
        told = summarise(cases)["WT"]["dice"]
        low, high = told["interval"]
        assert low < told["mean"] < high
        assert summarise(cases)["WT"]["dice"] == told
        widths.append(high - low)
        # The normal approximation is close for a mean of so many.
        assert high - low == pytest.approx(2 * 1.96 * 0.2887 / count**0.5, rel=0.35)
    assert widths[1] < widths[0]


def test_what_is_left_out_is_counted():
    cases = {"a": case(0.5), "b": case(math.nan)}
    told = summarise(cases)["WT"]["hd95"]
    assert (told["mean"], told["patients"], told["left_out"]) == (0.5, 1, 1)
    told = summarise({"b": case(math.nan)})["WT"]["hd95"]
    assert told["mean"] is None
    with pytest.raises(DataError, match="Figures of 0 cases"):
        summarise({})
