import numpy as np
import pandas as pd
import pytest
from PIL import Image

import kerakd
from kerakd.data import ImageBatches, Samples
from kerakd.errors import ModelError
from kerakd.evaluation import classification_metrics, evaluate, predict_logits

LABELS = np.array([0, 1, 2, 2])
LOGITS = np.float32([[4, 0, 0], [0, 1, 0], [0, 0, 2], [3, 0, 0]])


def look_up(pictures):
    """A runner whose picture is the row of `LOGITS` to give."""
    return LOGITS[np.asarray(pictures)[:, 0, 0, 0].astype(int)]


PICTURES = np.arange(4).reshape(4, 1, 1, 1)


def test_gives_the_metrics_and_looks_at_the_logits():
    m = evaluate(look_up, (PICTURES, LABELS), ["a", "b", "c"])
    expected = classification_metrics(LABELS, LOGITS, ["a", "b", "c"])
    assert {key: m[key] for key in expected} == expected
    assert m["logit_range"] == [0, 4]
    e = np.exp
    sure = [e(4) / (e(4) + 2), e(1) / (e(1) + 2), e(2) / (e(2) + 2)]
    assert m["confidence"]["right"] == pytest.approx(np.mean(sure), abs=1e-6)
    assert m["confidence"]["wrong"] == pytest.approx(e(3) / (e(3) + 2), abs=1e-6)


def test_nothing_wrong_has_no_confidence_when_wrong():
    m = evaluate(look_up, (PICTURES[:3], LABELS[:3]))
    assert m["confidence"]["wrong"] is None
    assert m["class_names"] == ["0", "1", "2"]


def test_a_shuffled_table_of_pictures_keeps_ids_labels_and_logits_together(tmp_path):
    names = [f"{k}.png" for k in range(7)]
    for k, name in enumerate(names):
        Image.new("L", (4, 4), 30 * k).save(tmp_path / name)
    columns = ["id", "path", "label", "group", "split", "width", "height", "mode"]
    rows = [(n, n, "ab"[k % 2], n, "test", 4, 4, "L") for k, n in enumerate(names)]
    samples = Samples(pd.DataFrame(rows, columns=columns), tmp_path, ("a", "b"))
    data = ImageBatches(samples, 4, batch_size=3, shuffle=True, seed=1)
    assert data.order(0).tolist() != list(range(7))

    def brightness(pictures):
        grey = np.asarray(pictures).mean(axis=(1, 2, 3))
        return np.stack([grey, -grey], axis=1)

    logits, labels = predict_logits(brightness, data)
    np.testing.assert_array_equal(labels, samples.labels)
    np.testing.assert_allclose(logits[:, 0], 30 * np.arange(7), atol=0.5)
    metrics = evaluate(brightness, data)
    assert metrics["count"] == 7
    assert list(metrics["per_class"]) == ["a", "b"]


def test_class_names_come_from_the_data():
    class Named(list):
        class_names = ("glioma", "meningioma", "notumor")

    m = evaluate(look_up, Named([(PICTURES, LABELS)]))
    assert list(m["per_class"]) == ["glioma", "meningioma", "notumor"]


def test_sample_weights_of_the_data_count():
    m = evaluate(look_up, (PICTURES, LABELS, [1, 1, 1, 0]))
    assert m["accuracy"] == 1


def test_another_number_of_classes_is_one_sentence():
    with pytest.raises(ModelError, match=r"3 classes.*2 \(B, M\)"):
        evaluate(look_up, (PICTURES, LABELS), ["B", "M"])


def test_the_package_face_is_the_function():
    assert kerakd.evaluate is evaluate
    assert kerakd.evaluation.evaluate is evaluate
