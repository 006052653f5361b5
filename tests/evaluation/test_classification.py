import json

import numpy as np
import pytest
import sklearn.metrics as sk

from kerakd.errors import DataError, ModelError
from kerakd.evaluation import classification_metrics
from kerakd.evaluation.classification import probabilities


def logits_saying(predicted, classes):
    """Logits whose largest is the class wanted."""
    return 3.0 * np.eye(classes)[predicted]


@pytest.fixture
def random_case():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    logits = rng.normal(size=(200, 4)) + 1.5 * np.eye(4)[labels]
    return labels, logits, ["a", "b", "c", "d"]


def test_a_case_worked_by_hand():
    # Of 3 glioma 2 are found, of 1 notumor 1, of 2 pituitary 1; the errors go to
    # notumor.
    labels = [0, 0, 0, 1, 2, 2]
    predicted = [0, 0, 1, 1, 2, 1]
    names = ["glioma", "notumor", "pituitary"]
    m = classification_metrics(labels, logits_saying(predicted, 3), names)
    assert m["count"] == 6
    assert m["accuracy"] == pytest.approx(4 / 6)
    assert m["confusion_matrix"] == [[2, 1, 0], [0, 1, 0], [0, 1, 1]]
    assert m["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 1 / 2) / 3)
    notumor = m["per_class"]["notumor"]
    assert notumor["precision"] == pytest.approx(1 / 3)
    assert notumor["recall"] == 1
    assert notumor["specificity"] == pytest.approx(3 / 5)
    assert notumor["f1"] == pytest.approx(1 / 2)
    assert notumor["f2"] == pytest.approx(5 / 7)  # 5 P R / (4 P + R)
    assert notumor["support"] == 1
    # p of the wanted class is e^3 / (e^3 + 2) = 0.9094; of another one 0.0453.
    right, wrong = 0.909443, 0.045278
    expected = -(4 * np.log(right) + 2 * np.log(wrong)) / 6
    assert m["log_loss"] == pytest.approx(expected, abs=1e-4)
    good = (1 - right) ** 2 + 2 * wrong**2
    bad = right**2 + (1 - wrong) ** 2 + wrong**2
    assert m["brier"] == pytest.approx((4 * good + 2 * bad) / 6, abs=1e-4)


def test_equals_scikit_learn(random_case):
    labels, logits, names = random_case
    m = classification_metrics(labels, logits, names)
    predicted, p = logits.argmax(1), probabilities(logits)
    assert m["accuracy"] == pytest.approx(sk.accuracy_score(labels, predicted))
    assert m["balanced_accuracy"] == pytest.approx(
        sk.balanced_accuracy_score(labels, predicted)
    )
    assert m["log_loss"] == pytest.approx(sk.log_loss(labels, p), abs=1e-6)
    for average in ("macro", "weighted"):
        for key, value in (
            ("precision", sk.precision_score(labels, predicted, average=average)),
            ("recall", sk.recall_score(labels, predicted, average=average)),
            ("f1", sk.f1_score(labels, predicted, average=average)),
            ("f2", sk.fbeta_score(labels, predicted, beta=2, average=average)),
        ):
            assert m[f"{average}_{key}"] == pytest.approx(value), (average, key)
    binary = labels == 2
    assert m["per_class"]["c"]["specificity"] == pytest.approx(
        sk.recall_score(~binary, predicted != 2)
    )


def test_weights_equal_repetition(random_case):
    labels, logits, names = random_case
    weight = np.random.default_rng(1).integers(0, 4, len(labels))
    weighted = classification_metrics(labels, logits, names, weight)
    repeated = classification_metrics(
        np.repeat(labels, weight), np.repeat(logits, weight, axis=0), names
    )
    for key in ("accuracy", "macro_f1", "weighted_f2", "log_loss", "brier"):
        assert weighted[key] == pytest.approx(repeated[key]), key
    assert weighted["confusion_matrix"] == repeated["confusion_matrix"]
    # A repeated picture is no new evidence.
    assert weighted["accuracy_interval"][0] < repeated["accuracy_interval"][0]


def test_weight_zero_removes_a_sample(random_case):
    labels, logits, names = random_case
    weight = np.ones(len(labels))
    weight[:50] = 0
    without = classification_metrics(labels[50:], logits[50:], names)
    weighted = classification_metrics(labels, logits, names, weight)
    assert weighted["accuracy_interval"] == pytest.approx(without["accuracy_interval"])
    assert weighted["per_class"]["a"] == pytest.approx(without["per_class"]["a"])


def test_a_constant_added_to_the_logits_changes_nothing(random_case):
    labels, logits, names = random_case
    before = classification_metrics(labels, logits.astype(np.float32), names)
    after = classification_metrics(labels, (logits + 1000).astype(np.float32), names)
    assert after["confusion_matrix"] == before["confusion_matrix"]
    assert after["log_loss"] == pytest.approx(before["log_loss"], abs=1e-4)
    assert after["brier"] == pytest.approx(before["brier"], abs=1e-4)


def test_log_loss_is_exact_where_probabilities_round_to_zero():
    m = classification_metrics([0, 1], [[0, 500.0], [0, 500.0]], ["a", "b"])
    assert m["log_loss"] == pytest.approx(250)
    assert m["brier"] == pytest.approx(1)


def test_an_absent_class_is_undefined_and_out_of_the_macro_average():
    labels, predicted = [0, 0, 1, 1], [0, 2, 1, 1]
    m = classification_metrics(labels, logits_saying(predicted, 4), list("abcd"))
    for name, precision in (("c", 0.0), ("d", None)):
        absent = m["per_class"][name]
        assert absent["support"] == 0
        assert absent["recall"] is absent["f1"] is absent["f2"] is None
        assert absent["precision"] == precision
    assert m["per_class"]["c"]["specificity"] == pytest.approx(3 / 4)
    assert m["macro_recall"] == pytest.approx((1 / 2 + 1) / 2)
    assert m["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert m["confusion_matrix"][3] == [0, 0, 0, 0]


def test_a_class_never_predicted_has_no_precision_but_counts_as_a_miss():
    m = classification_metrics([0, 1], logits_saying([0, 0], 2), ["a", "b"])
    b = m["per_class"]["b"]
    assert b["precision"] is None
    assert b["recall"] == b["f1"] == b["f2"] == 0
    assert m["macro_precision"] == pytest.approx(1 / 4)
    assert m["macro_f1"] == pytest.approx(1 / 3)


def test_specificity_is_undefined_when_all_labels_are_of_the_class():
    m = classification_metrics([1, 1], logits_saying([1, 0], 2), ["a", "b"])
    assert m["per_class"]["b"]["specificity"] is None
    assert m["per_class"]["a"]["specificity"] == pytest.approx(1 / 2)


def test_one_output_is_the_sigmoid_of_class_one():
    z = np.array([-2.0, 0.5, 3.0, -0.1])
    labels = [0, 1, 1, 1]
    one = classification_metrics(labels, z, ["benign", "malignant"])
    pair = np.stack([np.zeros(4), z], axis=1)
    assert one == classification_metrics(labels, pair, ["benign", "malignant"])
    p = 1 / (1 + np.exp(-z))
    assert one["brier"] == pytest.approx(
        2 * np.mean((p - np.array(labels)) ** 2), abs=1e-6
    )
    assert one["confusion_matrix"] == [[1, 0], [1, 2]]


def test_json_holds_it(random_case):
    labels, logits, names = random_case
    for weight in (None, np.linspace(0, 1, 200)):
        m = classification_metrics(labels, logits, names, weight)
        assert json.loads(json.dumps(m, allow_nan=False)) == m


def test_the_interval_holds_the_accuracy_and_shrinks(random_case):
    labels, logits, names = random_case
    few = classification_metrics(labels[:50], logits[:50], names)
    many = classification_metrics(labels, logits, names)
    for m in (few, many):
        low, high = m["accuracy_interval"]
        assert low < m["accuracy"] < high
    assert np.ptp(many["accuracy_interval"]) < np.ptp(few["accuracy_interval"])


def test_all_right_gives_one_everywhere():
    m = classification_metrics([0, 1, 2], logits_saying([0, 1, 2], 3), list("abc"))
    for key in ("accuracy", "balanced_accuracy", "macro_f1", "weighted_precision"):
        assert m[key] == 1
    assert m["accuracy_interval"][1] == 1


@pytest.mark.parametrize(
    ("labels", "logits", "names", "weight", "error", "told"),
    [
        ([0, 1], np.zeros((2, 3)), ["a", "b"], None, ModelError, "for 3 classes"),
        ([0, 1], np.zeros((2, 1)), list("abc"), None, ModelError, "for 2 classes"),
        ([0, 2], np.zeros((2, 2)), ["a", "b"], None, DataError, "run from 0 to 2"),
        ([0, -1], np.zeros((2, 2)), ["a", "b"], None, DataError, "run from -1"),
        ([0], np.zeros((2, 2)), ["a", "b"], None, DataError, "1 labels and 2 rows"),
        ([0, 1], [[0, np.inf], [0, 0]], ["a", "b"], None, ModelError, "not finite"),
        ([0, 1], np.zeros((2, 2, 2)), ["a", "b"], None, ModelError, "shape"),
        ([0, 1], np.zeros((2, 2)), ["a", "a"], None, DataError, "name of its own"),
        ([0, 0], np.zeros((2, 1)), ["a"], None, DataError, "at least two classes"),
        ([0, 1], np.zeros((2, 2)), ["a", "b"], [0, 0], DataError, "not all 0"),
        ([0, 1], np.zeros((2, 2)), ["a", "b"], [-1, 1], DataError, ">= 0"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(
    labels, logits, names, weight, error, told
):
    with pytest.raises(error, match=told) as caught:
        classification_metrics(labels, logits, names, weight)
    assert "\n" not in str(caught.value)
