import csv

import numpy as np
import pytest

from kerakd.errors import DataError
from kerakd.evaluation import read_predictions, write_predictions

NAMES = ["glioma", "NA", 'a.predicted, "x"\nñ']
IDS = ["Testing/NA/1.jpg", "None", "=1+1"]


@pytest.fixture
def logits():
    rng = np.random.default_rng(0)
    return {
        "teacher": (rng.normal(size=(3, 3)) * 1e3).astype(np.float32),
        "student": (rng.normal(size=(3, 3)) / 1e7).astype(np.float32),
    }


def test_round_trip_is_exact(tmp_path, logits):
    path = write_predictions(tmp_path / "p.csv", IDS, [2, 1, 0], logits, NAMES)
    read = read_predictions(path)
    assert list(read.ids) == IDS
    assert read.class_names == tuple(NAMES)
    np.testing.assert_array_equal(read.labels, [2, 1, 0])
    assert list(read.logits) == ["teacher", "student"]
    for model, values in logits.items():
        np.testing.assert_array_equal(read.logits[model], values)
        np.testing.assert_array_equal(read.predicted(model), values.argmax(axis=1))


def test_a_person_can_read_it(tmp_path):
    path = write_predictions(
        tmp_path / "p.csv", ["x.png"], [0], {"student": [[2.0, 0.0]]}, ["B", "M"]
    )
    with open(path, newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["id"] == "x.png"
    assert row["label"] == row["student.predicted"] == "B"
    assert float(row["student.probability.B"]) == pytest.approx(0.880797)
    assert float(row["student.logit.M"]) == 0


def test_one_output_becomes_two_columns(tmp_path):
    path = write_predictions(
        tmp_path / "p.csv", ["a", "b"], [0, 1], {"m": [[-1.0], [2.0]]}, ["B", "M"]
    )
    read = read_predictions(path)
    np.testing.assert_array_equal(read.logits["m"], [[0, -1], [0, 2]])
    assert read.probabilities("m")[1, 1] == pytest.approx(1 / (1 + np.exp(-2)))


@pytest.mark.parametrize(
    ("ids", "logits", "told"),
    [
        (["a", "a"], {"m": np.zeros((2, 2))}, "1 different"),
        (["a"], {"m": np.zeros((2, 2))}, "1 ids"),
        (["a", "b"], {"m": np.zeros((3, 2))}, r"\(3, 2\)"),
        (["a", "b"], {"m.x": np.zeros((2, 2))}, "without a dot"),
    ],
)
def test_parts_that_do_not_fit_leave_no_file(tmp_path, ids, logits, told):
    with pytest.raises(DataError, match=told):
        write_predictions(tmp_path / "p.csv", ids, [0, 1], logits, ["B", "M"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "There is no file"),
        ("", "no table of predictions"),
        ("a,b\n1,2\n", "got a, b"),
        ("id,label,m.predicted,m.logit.B\nx,M,B,1\n", "labels M"),
        ("id,label,m.predicted,m.logit.B\nx,B,B,one\n", "damaged"),
    ],
)
def test_other_tables_are_refused_by_name(tmp_path, text, told):
    path = tmp_path / "p.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=told) as caught:
        read_predictions(path)
    assert "p.csv" in str(caught.value)


def test_groups_and_copies_come_back(tmp_path):
    path = tmp_path / "predictions.csv"
    logits = {"student": np.float32([[1, 0], [0, 1]])}
    write_predictions(
        *(path, ["x", "y"], [0, 1], logits, ["a", "b"]),
        groups=["NA", 7],
        has_copy=[True, False],
    )
    found = read_predictions(path)
    assert found.groups.tolist() == ["NA", "7"]
    assert found.has_copy.tolist() == [True, False]
    write_predictions(path, ["x", "y"], [0, 1], logits, ["a", "b"])
    assert read_predictions(path).groups is None
    assert read_predictions(path).has_copy is None
    with pytest.raises(DataError, match="1 values of group"):
        write_predictions(path, ["x", "y"], [0, 1], logits, ["a", "b"], groups=["g"])
