import numpy as np
import pytest
from scipy.special import softmax

from kerakd.errors import DataError
from kerakd.evaluation import classification_metrics, find_counterparts
from kerakd.evaluation.counterparts import OTHER

BRAIN = ("glioma", "meningioma", "notumor", "pituitary")


def test_yes_is_any_tumour_and_no_is_none():
    found = find_counterparts(BRAIN, ["no", "yes"])
    assert found.theirs == {
        "no": ("notumor",),
        "yes": ("glioma", "meningioma", "pituitary"),
    }
    assert found.class_names == ["no", "yes"]
    assert found.left_out == found.unmatched == []


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (("benign", "malignant"), ["B", "M"], {"B": ("benign",), "M": ("malignant",)}),
        (("B", "M"), ["m", "b"], {"m": ("M",), "b": ("B",)}),
        (
            BRAIN,
            ["Glioma_Tumor", "no tumor"],
            {"Glioma_Tumor": ("glioma",), "no tumor": ("notumor",)},
        ),
        (("no", "yes"), ["no", "yes"], {"no": ("no",), "yes": ("yes",)}),
        (
            ("negative", "positive"),
            ["yes", "no"],
            {"yes": ("positive",), "no": ("negative",)},
        ),
    ],
)
def test_classes_are_matched_by_name(ours, theirs, expected):
    assert find_counterparts(ours, theirs).theirs == expected


def test_probabilities_of_a_class_are_the_sum_of_its_members():
    found = find_counterparts(BRAIN, ["no", "yes"])
    logits = np.random.default_rng(0).normal(size=(20, 4)) * 3
    p, q = softmax(logits, axis=1), softmax(found.logits(logits), axis=1)
    np.testing.assert_allclose(q[:, 0], p[:, 2], atol=1e-6)
    np.testing.assert_allclose(q[:, 1], p[:, [0, 1, 3]].sum(axis=1), atol=1e-6)


def test_classes_without_a_counterpart_are_named_on_both_sides():
    found = find_counterparts(BRAIN, ["glioma", "meningioma", "metastasis"])
    assert found.left_out == ["metastasis"]
    assert found.unmatched == ["notumor", "pituitary"]
    assert found.class_names == ["glioma", "meningioma", OTHER]
    labels = found.labels(["meningioma", "metastasis", "glioma"])
    assert labels.tolist() == [1, -1, 0]


def test_naming_a_class_that_the_data_lack_is_wrong():
    found = find_counterparts(BRAIN, ["glioma", "meningioma"])
    logits = found.logits(5.0 * np.eye(4)[[0, 2, 1]])
    labels = found.labels(["glioma", "glioma", "meningioma"])
    metrics = classification_metrics(labels, logits, found.class_names)
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    # No image is of that class: it is in no average.
    assert metrics["per_class"][OTHER]["recall"] is None
    assert metrics["balanced_accuracy"] == pytest.approx((1 / 2 + 1) / 2)


def test_two_spellings_of_one_class_are_one():
    found = find_counterparts(BRAIN, ["no", "normal", "yes"])
    assert found.class_names == ["no / normal", "yes"]
    assert found.labels(["normal", "no"]).tolist() == [0, 0]


def test_what_is_given_wins():
    found = find_counterparts(("B", "M"), ["no", "yes"], {"no": "B", "yes": ["M"]})
    assert found.theirs == {"no": ("B",), "yes": ("M",)}
    left = find_counterparts(BRAIN, ["glioma", "no", "odd"], {"odd": []})
    assert left.left_out == ["odd"]


@pytest.mark.parametrize(
    ("ours", "theirs", "given", "part"),
    [
        (("B", "M"), ["cat", "dog"], None, "no class matches"),
        (BRAIN, ["glioma", "cat"], None, "at least two have to match"),
        (BRAIN, ["no", "yes"], {"maybe": "glioma"}, "no class 'maybe'"),
        (BRAIN, ["no", "yes"], {"yes": "gliom"}, "Did you mean 'glioma'"),
        (BRAIN, ["glioma", "yes", "no"], None, "overlap in the model's glioma"),
    ],
)
def test_what_cannot_be_matched_is_a_sentence(ours, theirs, given, part):
    with pytest.raises(DataError, match=part):
        find_counterparts(ours, theirs, given)
