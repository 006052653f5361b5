import keras
import numpy as np
import pytest
import tensorflow as tf

from kerakd.errors import DataError, ModelError
from kerakd.evaluation import predict_logits

PICTURES = np.random.default_rng(0).uniform(0, 255, (7, 4, 4, 3)).astype(np.float32)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0])


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))


def mean_rows(images):
    """A runner without Keras: logits that tell the rows apart."""
    images = np.asarray(images)
    return images.mean(axis=(1, 2))


def test_a_keras_model_gives_what_predict_gives_and_stays_as_it_was(model):
    before = [w.copy() for w in model.get_weights()]
    dataset = tf.data.Dataset.from_tensor_slices((PICTURES, LABELS)).batch(3)
    logits, labels = predict_logits(model, dataset)
    assert logits.shape == (7, 3)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, model.predict(PICTURES, verbose=0), atol=1e-6)
    np.testing.assert_array_equal(labels, LABELS)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_labels_stay_beside_their_pictures_when_the_data_are_shuffled(model):
    dataset = tf.data.Dataset.from_tensor_slices((PICTURES, np.arange(7)))
    logits, labels = predict_logits(model, dataset.shuffle(7, seed=1).batch(2))
    assert sorted(labels) == list(range(7))
    expected = model.predict(PICTURES, verbose=0)
    np.testing.assert_allclose(logits, expected[labels], atol=1e-6)


def test_every_form_of_data_gives_the_same(model):
    expected, _ = predict_logits(model, (PICTURES, LABELS))
    dataset = tf.data.Dataset.from_tensor_slices((PICTURES, LABELS))
    routed = {"student": PICTURES, "teacher": np.zeros((7, 8, 8, 3))}
    for data in (
        dataset.batch(4),
        dataset,
        (PICTURES, np.eye(3)[LABELS]),
        (routed, LABELS),
        [(PICTURES[:5], LABELS[:5]), (PICTURES[5:], LABELS[5:])],
    ):
        logits, labels = predict_logits(model, data)
        np.testing.assert_allclose(logits, expected, atol=1e-6)
        np.testing.assert_array_equal(labels, LABELS)


def test_a_keras_py_dataset_ends(model):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return PICTURES[index::2], LABELS[index::2]

    logits, _ = predict_logits(model, Batches())
    assert len(logits) == 7


def test_a_shuffled_table_comes_back_in_its_own_order():
    class Table:
        def order(self, epoch):
            return np.array([3, 1, 0, 2])

        def dataset(self):
            rows = self.order(0)
            return [(PICTURES[rows[:3]], rows[:3]), (PICTURES[rows[3:]], rows[3:])]

    logits, labels = predict_logits(mean_rows, Table())
    np.testing.assert_array_equal(labels, [0, 1, 2, 3])
    np.testing.assert_allclose(logits, mean_rows(PICTURES[:4]))


def test_of_a_distiller_the_student_is_run(model):
    class Holder:
        student = model

    got, _ = predict_logits(Holder(), (PICTURES, LABELS))
    expected, _ = predict_logits(model, (PICTURES, LABELS))
    np.testing.assert_array_equal(got, expected)


def test_the_key_chooses_the_pictures():
    routed = {"student": PICTURES, "teacher": PICTURES[:, ::2] * 2}
    logits, _ = predict_logits(mean_rows, (routed, LABELS), key="teacher")
    np.testing.assert_allclose(logits, mean_rows(PICTURES[:, ::2] * 2))


def test_one_output_keeps_one_column():
    logits, _ = predict_logits(lambda x: np.zeros(len(x)), (PICTURES, LABELS % 2))
    assert logits.shape == (7, 1)


def test_a_bar_is_shown_only_when_asked_or_long(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes the capture for a terminal
    predict_logits(mean_rows, (PICTURES, LABELS))
    assert capsys.readouterr().err == ""
    predict_logits(mean_rows, (PICTURES, LABELS), progress=True)
    assert "Evaluating" in capsys.readouterr().err


def test_a_model_with_a_softmax_or_sigmoid_is_refused_with_the_remedy(model):
    for units, activation in ((3, "softmax"), (1, "sigmoid")):
        layer = keras.layers.Dense(units, activation=activation)
        ending = keras.Sequential([model, layer])
        with pytest.raises(ModelError, match=f"{activation}.*with_logits"):
            predict_logits(ending, (PICTURES, LABELS))


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (lambda x: np.full((len(x), 2), np.nan), "not finite"),
        (lambda x: np.zeros((len(x), 2, 2)), r"shape \(batch, classes\)"),
        (lambda x: {"a": x, "b": x}, r"2 outputs \(a, b\)"),
        (lambda x: np.zeros((len(x) + 1, 2)), "for 7 pictures"),
        (lambda x: np.full((len(x), 4), 0.25), "gives probabilities"),
        ("resnet", "got 'resnet'"),
    ],
)
def test_what_is_no_logit_is_refused(output, told):
    with pytest.raises(ModelError, match=told):
        predict_logits(output, (PICTURES, LABELS))


def test_empty_and_endless_data_are_refused():
    dataset = tf.data.Dataset.from_tensor_slices((PICTURES, LABELS)).batch(3)
    with pytest.raises(DataError, match="empty"):
        predict_logits(mean_rows, dataset.take(0))
    with pytest.raises(DataError, match="without end"):
        predict_logits(mean_rows, dataset.repeat())
