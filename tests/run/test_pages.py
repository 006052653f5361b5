"""Which pictures the comparison of teacher and student shows."""

import numpy as np

from kerakd.run.pages import rows_by_class, telling_rows


def logits(answers):
    return np.eye(3)[answers]


def test_one_row_of_each_outcome():
    labels = np.array([0, 0, 1, 1, 2, 2])
    teacher = logits([0, 0, 1, 0, 0, 2])
    student = logits([0, 1, 0, 1, 1, 2])
    rows = telling_rows(labels, teacher, student)
    # Only the teacher right (1, 2), only the student (3), neither (4), both (0, 5).
    assert rows == [2, 3, 4, 5]


def test_where_all_is_right_each_class_is_shown():
    labels = np.array([0, 0, 0, 1, 2])
    perfect = logits(labels)
    rows = telling_rows(labels, perfect, perfect)
    assert set(labels[rows]) == {0, 1, 2}
    assert len(set(rows)) == len(rows) <= 4


def test_a_single_picture_is_enough():
    assert telling_rows(np.array([1]), logits([1]), logits([0])) == [0]


def test_each_class_is_explained_on_a_picture_that_is_named_rightly_if_there_is_one():
    labels = np.array([0, 0, 0, 1, 1, 2])
    rows = rows_by_class(labels, logits([1, 1, 0, 1, 1, 0]))
    # The only right one of class 0; of two right ones the later; 2 is never right.
    assert rows == [2, 4, 5]
