import math

import numpy as np
import pytest

from kerakd.errors import DataError
from kerakd.evaluation.segmentation import METRICS, summarise
from kerakd.report.segmentation import headings, model_rows, plot_dice


def test_every_patient_is_a_point(tmp_path):
    dices = {"student": [0.2, 0.9, math.nan], "teacher": [0.5, 0.7, 0.9]}
    figure = plot_dice(dices, tmp_path / "dice.png")
    assert (tmp_path / "dice.png").stat().st_size > 1000
    (axes,) = figure.axes
    points = [line.get_xdata() for line in axes.lines if line.get_marker() == "o"]
    assert sorted(map(len, points)) == [2, 3]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == ["Student, distilled", "Teacher"]
    with pytest.raises(DataError, match="no Dice to draw"):
        plot_dice({"student": [math.nan]})


def test_rows_of_the_table():
    cases = {n: {"WT": dict.fromkeys(METRICS, v)} for n, v in (("a", 0.5), ("b", 1.0))}
    known = {"parameters": 608589, "megabytes": 2.4, "ms_per_slice": 5.21}
    metrics = {
        "models": {
            "student": known | {"test": summarise(cases)},
            "teacher": known | {"test": {}},
        }
    }
    (row,) = model_rows(metrics, "WT")
    assert len(row) == len(headings())
    assert row[0] == "Student, distilled"
    assert row[1].startswith("0.7500 (0.500 to 1.000)")
    assert row[-3:] == ["608,589", "2.40", "5.2"]
    nothing = {"a": {"WT": dict.fromkeys(METRICS, np.nan)}}
    metrics["models"]["student"]["test"] = summarise(nothing)
    assert "\N{EN DASH}" in model_rows(metrics, "WT")[0][2]
