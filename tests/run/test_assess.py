"""A saved model on labelled images."""

import pytest

from kerakd.errors import DataError
from kerakd.run import judge_again
from kerakd.run.assess import evaluate_file


def test_a_file_of_a_run_is_judged_on_both_lines(leaky):
    out, metrics = leaky
    found = evaluate_file(out / "student_float32.tflite")
    told = metrics["models"]["student_float32"]
    assert found["confusion_matrix"] == told["test"]["confusion_matrix"]
    clean = told["test_without_copies"]
    assert found["without_copies"]["confusion_matrix"] == clean["confusion_matrix"]
    assert found["without_copies"]["intervals"] == clean["intervals"]
    assert found["leaks"].startswith(f"1 of {found['count']} test images have a copy")
    # The temperature is the one that the run fitted on its validation images.
    calibrated = found["calibration"]
    assert calibrated["temperature"] == told["calibration"]["temperature"]
    expected = told["calibration"]["test"]["scaled"]["ece"]
    assert calibrated["scaled"]["ece"] == pytest.approx(expected, abs=1e-6)


def test_other_splits_have_one_line(leaky):
    found = evaluate_file(leaky[0] / "student_float32.tflite", split="validation")
    assert found["without_copies"] is None
    assert "--split test" in found["leaks"]


def test_a_folder_without_a_finished_run_is_not_judged_anew(tmp_path):
    with pytest.raises(DataError, match=r"no finished run \(there is no run\.json\)"):
        judge_again(tmp_path)
