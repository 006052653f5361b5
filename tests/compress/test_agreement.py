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
