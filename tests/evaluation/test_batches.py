import numpy as np
import pytest

from kerakd.errors import DataError
from kerakd.evaluation.batches import integer_labels, labelled_batches, route

PICTURES = np.arange(5 * 2 * 2 * 1, dtype=np.float32).reshape(5, 2, 2, 1)


def test_arrays_come_in_batches_that_lose_no_row():
    weights = np.array([0.0, 1, 2, 3, 4])
    batches = list(labelled_batches((PICTURES, [0, 1, 0, 1, 1], weights), batch_size=2))
    assert [len(y) for _, y, _ in batches] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([b[0] for b in batches]), PICTURES)
    np.testing.assert_array_equal(np.concatenate([b[2] for b in batches]), weights)


def test_a_routing_dict_is_sliced_key_by_key():
    x = {"student": PICTURES, "teacher": PICTURES + 1}
    (first, *_), *_ = labelled_batches((x, [0] * 5), batch_size=3)
    np.testing.assert_array_equal(route(first, "teacher"), PICTURES[:3] + 1)
    np.testing.assert_array_equal(route(first, "student"), PICTURES[:3])


def test_named_inputs_of_a_model_are_no_routes():
    x = {"flair": 1, "t1": 2}
    assert route(x, "student") is x


def test_a_missing_route_is_named():
    with pytest.raises(DataError, match="'teacher' is not among them"):
        route({"student": 1}, "teacher")


def test_one_hot_and_column_labels_become_indices():
    np.testing.assert_array_equal(integer_labels(np.eye(3)[[2, 0]]), [2, 0])
    np.testing.assert_array_equal(integer_labels([[1], [0]]), [1, 0])
    assert integer_labels(np.float32([1, 0])).dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([[0.7, 0.3]], "MixUp"),
        (["glioma"], "class indices"),
        ([0.5, 1], "fractions such as 0.5"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels, told):
    with pytest.raises(DataError, match=told):
        integer_labels(labels)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (PICTURES, "pictures, labels"),
        (3, "got a int"),
        ((PICTURES,), "tuple of 1"),
        ((PICTURES, [0, 1]), "5 pictures"),
        ([(PICTURES, [0, 1])], "5 pictures and 2 labels"),
    ],
)
def test_other_forms_of_data_are_refused(data, told):
    with pytest.raises(DataError, match=told):
        list(labelled_batches(data))
