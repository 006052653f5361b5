import keras
import numpy as np
import pytest
import tensorflow as tf

from kerakd.errors import DataError, ModelError, RecipeError
from kerakd.training import labels
from kerakd.training.feeding import feed
from kerakd.training.options import TrainingOptions

OPTIONS = TrainingOptions(batch_size=4)


def flat(classes, shape=(2,)):
    inputs = keras.Input(shape)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(inputs))


def data_of(y, x=None):
    y = np.asarray(y)
    return feed((np.zeros((len(y), 2), "float32") if x is None else x, y), OPTIONS)


def form_of(model, y):
    return labels.label_form(model, data_of(y), "student")


def test_forms_of_labels():
    assert form_of(flat(3), [0, 1, 2]) == labels.LabelForm(3, False, 2)
    assert form_of(flat(3), [[0], [1], [2]]) == labels.LabelForm(3, False, 2)
    assert form_of(flat(3), np.eye(3)) == labels.LabelForm(3, True, 2)
    assert form_of(flat(1), [0, 1]).outputs == 1


def test_form_of_masks():
    model = flat(2, (4, 4, 3))
    pictures = np.zeros((3, 4, 4, 3), "float32")
    for shape in ((3, 4, 4), (3, 4, 4, 1)):
        data = data_of(np.zeros(shape, "int32"), pictures)
        assert not labels.label_form(model, data, "student").one_hot


def test_form_for_a_model_that_is_not_built():
    model = keras.Sequential([keras.layers.Dense(3)])
    assert form_of(model, [0, 1, 2]).outputs == 3
    assert model.built


@pytest.mark.parametrize(
    ("classes", "y", "sentence"),
    [
        (3, np.eye(4), "The labels have 4 classes"),
        (3, np.zeros((2, 3, 3)), "do not fit logits"),
    ],
)
def test_labels_that_do_not_fit(classes, y, sentence):
    with pytest.raises(DataError) as error:
        form_of(flat(classes), y)
    assert sentence in str(error.value)


def test_several_outputs_need_a_loss():
    inputs = keras.Input((2,))
    heads = [keras.layers.Dense(2)(inputs), keras.layers.Dense(2)(inputs)]
    with pytest.raises(ModelError, match="several outputs"):
        form_of(keras.Model(inputs, heads), [0, 1])


def test_pictures_of_another_size():
    with pytest.raises(DataError, match=r"takes inputs of shape \(5,\)"):
        form_of(flat(2, (5,)), [0, 1])


@pytest.mark.parametrize("y", [[0, 1, 3], [-1, 0, 1]])
def test_labels_out_of_range(y):
    model, data = flat(3), data_of(y)
    form = labels.label_form(model, data, "student")
    with pytest.raises(DataError, match="Labels run from"):
        labels.check_range(data, form, model.name)


@pytest.mark.parametrize("y", [[0, 0.5, 2], [0, float("nan"), 1]])
def test_labels_that_are_no_indices(y):
    data = data_of(y)
    form = labels.label_form(flat(3), data, "student")
    with pytest.raises(DataError, match="whole numbers"):
        labels.check_range(data, form, "student")


def test_whole_numbers_may_be_floats():
    data = data_of([0.0, 1.0, 2.0])
    form = labels.label_form(flat(3), data, "student")
    labels.check_range(data, form, "student")


def test_labels_out_of_range_in_a_dataset():
    dataset = tf.data.Dataset.from_tensor_slices((np.zeros((2, 2)), [0, 5])).batch(2)
    model, data = flat(3), feed(dataset, OPTIONS)
    form = labels.label_form(model, data, "student")
    with pytest.raises(DataError, match="num_classes=6"):
        labels.check_range(data, form, model.name)


@pytest.mark.parametrize("y", [[0, 2, 1], np.eye(3)[[0, 2, 1]]])
def test_smoothing_is_that_of_keras(y):
    data, logits = data_of(y), np.random.default_rng(0).normal(size=(3, 3))
    form = labels.label_form(flat(3), data, "student")
    loss = labels.default_loss(form, one_hot=True, label_smoothing=0.2)
    stream = feed((np.zeros((3, 2)), np.asarray(y)), OPTIONS, shuffle=False)
    prepared = labels.prepare(stream.stream(0, 1), form=form, one_hot=True)
    (_, prepared_y) = next(iter(prepared))
    expected = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.2
    )(np.eye(3)[[0, 2, 1]], logits)
    assert float(loss(prepared_y, logits)) == float(expected)


def test_what_fits_is_left_alone():
    stream = data_of([0, 1, 2]).stream(0, 1)
    assert labels.prepare(stream, route_to="student") is stream


def test_single_logit():
    form = labels.LabelForm(outputs=1, one_hot=False, rank=2)
    loss = labels.default_loss(form, one_hot=False, label_smoothing=0.0)
    (accuracy,) = labels.default_metrics(form)
    y, logits = np.array([[0.0], [1.0]]), np.array([[-0.2], [0.3]])
    assert float(loss(y, logits)) == pytest.approx(
        np.log1p(np.exp([-0.2, -0.3])).mean(), rel=1e-6
    )
    assert float(accuracy(y, logits)) == 1.0


def test_pictures_are_routed():
    x = {"student": np.zeros((3, 2)), "teacher": np.ones((3, 5))}
    stream = feed((x, np.arange(3)), OPTIONS).stream(0, 1)
    for part, width in (("student", 2), ("teacher", 5)):
        prepared = labels.prepare(stream, route_to=part)
        assert prepared.element_spec[0].shape[1] == width


def test_classes_of_the_data_and_of_the_model_are_as_many():
    data = data_of([0, 1, 2])
    data.class_names = ("glioma", "none", "pituitary")
    form = labels.label_form(flat(4), data, "student")
    with pytest.raises(
        DataError, match=r"3 classes \(glioma, none, pituitary\).*4 log"
    ):
        labels.check_range(data, form, "student")


def weights_of(given, y, names=None, classes=3):
    data = data_of(y)
    data.class_names = names
    return labels.class_weights(given, data, form_of(flat(classes), y))


def test_class_weights_by_index_name_and_balance():
    y = [0, 0, 0, 1, 2, 2]
    assert weights_of(None, y) is None
    assert weights_of({1: 2, 2: 0.5}, y).tolist() == [1, 2, 0.5]
    names = ("a", "b", "c")
    assert weights_of({"c": 3, "a": 1, "b": 2}, y, names).tolist() == [1, 2, 3]
    expected = pytest.approx([2 / 3, 2.0, 1.0])
    assert weights_of("balanced", y).tolist() == expected
    assert weights_of("balanced", np.eye(3)[y]).tolist() == expected


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"aa": 1, "b": 1, "c": 1}, "Did you mean 'a'?"),
        ({"a": 1, "b": 1, "c": -1}, "at least 0; got -1"),
        ({0: 1, 1: 1, 3: 1}, "unknown class 3"),
        ("even", "'balanced'; got 'even'"),
    ],
)
def test_class_weights_that_are_refused(given, sentence):
    with pytest.raises(RecipeError) as error:
        weights_of(given, [0, 1, 2], ("a", "b", "c"))
    assert sentence in str(error.value)


def test_balance_without_samples_of_a_class_is_finite():
    assert weights_of("balanced", [0, 2, 2]).tolist() == [1.0, 1.0, 0.5]


def test_class_weights_multiply_sample_weights():
    y = np.array([0, 1, 2])
    stream = feed((np.zeros((3, 2)), y, [1.0, 2.0, 0.0]), OPTIONS, shuffle=False)
    form, weights = labels.LabelForm(3, False, 2), np.array([3, 5, 7], "float32")
    (_, _, found) = next(
        iter(labels.prepare(stream.stream(0, 1), form=form, weights=weights))
    )
    assert found.numpy().tolist() == [3, 10, 0]


def test_mixed_labels_get_the_mixture_of_the_weights():
    y = np.array([[0.25, 0.75], [1.0, 0.0]], "float32")
    stream = feed((np.zeros((2, 2)), y), OPTIONS, shuffle=False).stream(0, 1)
    form, weights = labels.LabelForm(2, True, 2), np.array([4, 8], "float32")
    (_, _, found) = next(iter(labels.prepare(stream, form=form, weights=weights)))
    assert found.numpy().tolist() == [7, 4]
