import numpy as np
import pytest
import sklearn.metrics as sk
from scipy.special import softmax

from kerakd.evaluation import classification_metrics
from kerakd.evaluation.ranking import log_odds, ranking_metrics


def test_areas_are_scikit_learns_of_the_probabilities():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 150)
    logits = rng.normal(size=(150, 3)) + np.eye(3)[labels]
    found = classification_metrics(labels, logits, "abc")
    p = softmax(logits.astype(np.float32).astype(float), axis=1)
    for k, name in enumerate("abc"):
        one = found["per_class"][name]
        assert one["roc_auc"] == pytest.approx(sk.roc_auc_score(labels == k, p[:, k]))
        expected = sk.average_precision_score(labels == k, p[:, k])
        assert one["pr_auc"] == pytest.approx(expected)
    mean = sk.roc_auc_score(labels, p, multi_class="ovr", average="macro")
    assert found["macro_roc_auc"] == pytest.approx(mean)


def test_a_model_so_sure_that_probabilities_round_is_still_ranked():
    # All probabilities of class 1 are 1 in float64, and still the order is perfect.
    logits = np.array([[0, 50], [0, 60], [0, 70], [0, 80]])
    per_class, _ = ranking_metrics(np.array([0, 0, 1, 1]), log_odds(logits), "ab")
    assert per_class["b"]["roc_auc"] == 1
    assert per_class["a"]["roc_auc"] == 1


def test_a_class_without_pictures_has_no_area_and_is_left_out_of_the_mean():
    logits = np.array([[2.0, 0, 0], [0, 1, 0], [1, 0, 0]])
    per_class, means = ranking_metrics(np.array([0, 1, 1]), log_odds(logits), "abc")
    assert per_class["c"] == {"roc_auc": None, "pr_auc": None}
    assert means["macro_roc_auc"] == np.mean(
        [per_class["a"]["roc_auc"], per_class["b"]["roc_auc"]]
    )
    only, means = ranking_metrics(np.zeros(3, int), log_odds(logits), "abc")
    assert only["a"]["roc_auc"] is None
    assert means == {"macro_roc_auc": None, "macro_pr_auc": None}


def test_weights_count():
    logits = np.array([[2.0, 0], [0, 1.0], [3.0, 0]])
    labels, weight = np.array([0, 1, 1]), np.array([1.0, 1, 0])
    per_class, _ = ranking_metrics(labels, log_odds(logits), "ab", weight)
    assert per_class["b"]["roc_auc"] == 1
