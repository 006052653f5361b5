import numpy as np
import pytest

from kerakd.errors import DataError
from kerakd.report import plot_gallery
from kerakd.report.gallery import choose_examples

NAMES = ["glioma", "no $tumour$", "pituitary"]
LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2])
SAID = np.array([0, 1, 2, 1, 1, 0, 2, 2])
SURE = np.array([0.9, 0.6, 0.95, 0.8, 0.4, 0.99, 0.7, 1.0])


def test_errors_come_most_confident_first_and_right_answers_of_every_class():
    wrong, right = choose_examples(LABELS, SAID, SURE, errors=2, correct=4)
    assert wrong.tolist() == [5, 2]
    assert set(LABELS[right]) == {0, 1, 2}
    assert (LABELS[right] == SAID[right]).all()
    assert right.tolist()[:3] == [0, 4, 6]  # the least sure of each class
    assert len(set(right.tolist())) == len(right) == 4


def test_a_perfect_or_hopeless_model_has_one_part():
    assert choose_examples(LABELS, LABELS, SURE, 3, 3)[0].size == 0
    assert choose_examples(LABELS, (LABELS + 1) % 3, SURE, 3, 3)[1].size == 0


def test_the_figure_says_prediction_confidence_and_truth(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (8, 6, 5, 3), dtype=np.uint8)
    probabilities = np.zeros((8, 3))
    probabilities[np.arange(8), SAID] = SURE
    path = tmp_path / "g.png"
    figure = plot_gallery(
        pictures, LABELS, SAID, probabilities, NAMES, path, errors=2, correct=3
    )
    assert [t.get_text() for t in figure.texts] == [
        "Wrong: 3 of 8, the 2 surest",
        "Right: 5 of 8, examples",
    ]
    worst = figure.axes[0]
    assert worst.get_title(loc="left") == "✗ glioma 99%"
    assert worst.get_xlabel() == "truth: no \\$tumour\\$"
    np.testing.assert_array_equal(worst.images[0].get_array(), pictures[5])
    assert len(figure.axes) == 5
    assert path.stat().st_size > 1000


def test_only_pictures_that_are_shown_are_read():
    read = []

    class Lazy:
        def __len__(self):
            return 8

        def __getitem__(self, index):
            read.append(int(index))
            return np.zeros((4, 4))

    plot_gallery(Lazy(), LABELS, SAID, SURE, NAMES, errors=1, correct=2)
    assert read == [5, 0, 4]


def test_parts_of_other_lengths_are_refused():
    with pytest.raises(DataError, match="got 1, 8, 8, 8"):
        plot_gallery([np.zeros((4, 4))], LABELS, SAID, SURE, NAMES)
