"""`verify` says how far a file is from its model."""

import numpy as np
import pytest

from kerakd.compress import LiteRTModel, verify
from kerakd.errors import DataError, ModelError
from tests.compress.tiny import pixels


def test_the_same_model_agrees(model, exported, images):
    report = verify(model, exported.path, images)
    assert set(report) == {
        "images",
        "largest",
        "max_abs_difference",
        "mean_abs_difference",
        "relative",
        "top1_agreement",
    }
    assert report["images"] == 12 and report["top1_agreement"] == 1.0
    assert report["mean_abs_difference"] <= report["max_abs_difference"] < 1e-4


def test_figures_are_those_of_numpy(model, exported, images):
    """A model with other biases, in batches of several sizes."""

    def other(x):
        logits = model.predict_on_batch(x)
        logits[:, 0] += np.where(x[:, 0, 0, 0] > 128, 3.0, -1.0)
        return logits

    report = verify(other, LiteRTModel(exported.path), [images[:5], images[5:]])
    expected, given = other(images), LiteRTModel(exported.path)(images)
    difference = np.abs(expected - given)
    assert difference.max() == pytest.approx(3.0, abs=1e-4)
    assert report["max_abs_difference"] == pytest.approx(difference.max(), abs=1e-4)
    assert report["mean_abs_difference"] == pytest.approx(difference.mean(), abs=1e-4)
    assert report["relative"] == pytest.approx(3.0 / np.abs(expected).max(), rel=1e-4)
    agreement = (expected.argmax(1) == given.argmax(1)).mean()
    assert 0 < agreement < 1
    assert report["top1_agreement"] == pytest.approx(agreement)


def test_a_distiller_is_its_student(model, exported, images):
    class Distiller:
        student = model

    assert verify(Distiller(), exported.path, images)["max_abs_difference"] < 1e-4


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite(exported, images, bad):
    with pytest.raises(ModelError, match="Keras model gives logits that are not finit"):
        verify(lambda x: np.full((len(x), 4), bad), exported.path, images)


def test_another_model_and_other_images(exported, images):
    with pytest.raises(ModelError, match="not the same model"):
        verify(lambda x: np.zeros((len(x), 2)), exported.path, images)
    with pytest.raises(DataError, match="the data gave"):
        verify(lambda x: x, exported.path, pixels(2, channels=1))


def test_labels_tell_what_was_right_before_and_after(exported, images):
    """One answer of twelve is turned; recall and correctness follow."""
    litert = LiteRTModel(exported.path)
    answers = litert(images).argmax(1)
    labels = answers.copy()
    labels[1] = (answers[1] + 1) % 4  # both are wrong here

    def other(x):
        logits = litert(x)
        turned = (x == images[0]).all(axis=(1, 2, 3))
        logits[turned] = np.roll(logits[turned], 1, axis=1)
        return logits

    report = verify(other, litert, [(images[:5], labels[:5]), (images[5:], labels[5:])])
    told = report["labelled"]
    assert told["images"] == 12 and told["correctness_changed"] == 1
    assert told["accuracy"] == {
        "keras": pytest.approx(10 / 12),
        "litert": pytest.approx(11 / 12),
    }
    assert sum(one["count"] for one in told["per_class"]) == 12
    k = labels[0]
    mine = told["per_class"][k]
    assert mine["litert"] - mine["keras"] == pytest.approx(1 / (labels == k).sum())


def test_masks_are_told_by_dice():
    from kerakd.compress.agreement import Tally

    tally = Tally(2)
    masks = np.zeros((1, 4, 4), np.int64)
    masks[0, :2] = 1
    said = np.zeros((1, 4, 4), np.int64)
    said[0, :1] = 1
    tally.add(masks, masks, said)
    told = tally.report()
    assert told["dice"] == {"keras": 1.0, "litert": pytest.approx(2 * 4 / 12)}
    assert told["correctness_changed"] == 4 / 16
