import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.colors import to_hex

from kerakd import visualize_classification_kd
from kerakd.errors import DataError, ModelError, RecipeError
from kerakd.report.style import COLOURS

NAMES = ["glioma", "meningioma", "notumor"]
LABELS = np.array([0, 1, 2, 0])
PICTURES = np.arange(4, dtype=np.float32)[:, None, None, None] * np.ones((1, 6, 6, 3))
TEACHER = np.float32([[4, 0, 0], [0, 4, 0], [0, 0, 4], [0, 4, 0]])
STUDENT = np.float32([[2, 0, 0], [2, 1, 0], [0, 0, 1], [1, 3, 0]])


def saying(logits):
    """A runner that knows a picture by its first pixel."""
    return lambda pictures: logits[np.asarray(pictures)[:, 0, 0, 0].astype(int)]


def draw(teacher=TEACHER, student=STUDENT, data=(PICTURES, LABELS), **more):
    return visualize_classification_kd(
        saying(teacher), saying(student), data, **{"class_names": NAMES, **more}
    )


def widths(axes, model):
    return [
        bar.get_width()
        for bar in axes.patches
        if to_hex(bar.get_facecolor()).upper() == COLOURS[model]
    ]


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def test_bars_are_the_probabilities_and_the_truth_is_marked(tmp_path):
    path = tmp_path / "c.png"
    figure = draw(idx=1, temperature=2.0, path=path)
    image, answers, softened = figure.axes
    assert image.get_xlabel() == "truth: meningioma"
    np.testing.assert_array_equal(image.images[0].get_array(), 0)  # a flat picture
    np.testing.assert_allclose(widths(answers, "teacher"), softmax(TEACHER[1]))
    np.testing.assert_allclose(widths(answers, "student"), softmax(STUDENT[1]))
    np.testing.assert_allclose(widths(softened, "teacher"), softmax(TEACHER[1] / 2))
    np.testing.assert_allclose(widths(softened, "student"), softmax(STUDENT[1] / 2))
    ticks = answers.get_yticklabels()
    assert [t.get_text() for t in ticks] == ["glioma", "meningioma (truth)", "notumor"]
    assert [t.get_fontweight() for t in ticks] == ["normal", "bold", "normal"]
    for axes in (answers, softened):
        assert axes.get_xlabel() == "Probability (%)"
    assert "temperature 2" in softened.get_title(loc="left")
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_agreement_is_said():
    figure = draw(idx=[0, 1, 3])
    said = [axes.get_title(loc="left") for axes in figure.axes[1::3]]
    assert said == [
        "Both say glioma: right",
        "They disagree: the teacher is right",
        "Both say meningioma: wrong",
    ]
    assert draw(teacher=STUDENT, student=TEACHER, idx=1).axes[1].get_title(
        loc="left"
    ) == ("They disagree: the student is right")


def test_idx_counts_through_the_batches_of_a_dataset():
    dataset = tf.data.Dataset.from_tensor_slices((PICTURES, LABELS)).batch(3)
    figure = draw(data=dataset, idx=[3, 0])
    assert figure.axes[0].get_title(loc="left") == "Picture 3"
    np.testing.assert_allclose(widths(figure.axes[1], "teacher"), softmax(TEACHER[3]))
    np.testing.assert_allclose(widths(figure.axes[4], "teacher"), softmax(TEACHER[0]))


def test_in_a_shuffled_table_idx_is_the_row():
    class Table:
        class_names = NAMES

        def order(self, epoch):
            return np.array([2, 0, 3, 1])

        def dataset(self):
            rows = self.order(0)
            return [(PICTURES[rows], LABELS[rows])]

    figure = draw(data=Table(), idx=3, class_names=None)
    np.testing.assert_allclose(widths(figure.axes[1], "teacher"), softmax(TEACHER[3]))
    assert figure.axes[0].get_xlabel() == "truth: glioma"


def test_several_teachers_are_averaged_as_probabilities():
    figure = visualize_classification_kd(
        [saying(TEACHER), saying(STUDENT)],
        saying(STUDENT),
        (PICTURES, LABELS),
        class_names=NAMES,
        temperature=3.0,
    )
    mean = (softmax(TEACHER[0] / 3) + softmax(STUDENT[0] / 3)) / 2
    np.testing.assert_allclose(widths(figure.axes[2], "teacher"), mean)
    assert figure.legends[0].get_texts()[0].get_text() == "Teachers (mean of 2)"


def test_pictures_by_routing_key_go_to_their_network():
    routed = {"student": PICTURES, "teacher": np.tile(PICTURES[::-1], (1, 2, 2, 1))}
    figure = draw(data=(routed, LABELS), idx=0)
    np.testing.assert_allclose(widths(figure.axes[1], "teacher"), softmax(TEACHER[3]))
    np.testing.assert_allclose(widths(figure.axes[1], "student"), softmax(STUDENT[0]))
    assert figure.axes[0].images[0].get_array().shape[:2] == (12, 12)  # the larger


def test_keras_models_a_distiller_and_a_teacher_of_another_input_size():
    def net(size, units=3, activation=None):
        inputs = keras.Input((size, size, 3))
        x = keras.layers.GlobalAveragePooling2D()(inputs)
        outputs = keras.layers.Dense(units, activation=activation)(x)
        return keras.Model(inputs, outputs)

    class Holder:
        student = net(6)

    figure = visualize_classification_kd(net(8), Holder(), (PICTURES, LABELS), idx=2)
    expected = softmax(Holder.student.predict(PICTURES[2:3], verbose=0)[0])
    np.testing.assert_allclose(widths(figure.axes[1], "student"), expected, rtol=1e-5)
    assert figure.axes[1].get_yticklabels()[2].get_text() == "2 (truth)"
    with pytest.raises(ModelError, match="softmax"):
        visualize_classification_kd(
            net(6, activation="softmax"), Holder(), (PICTURES, LABELS)
        )
    with pytest.raises(ModelError, match=r"the teacher has \[4\]"):
        visualize_classification_kd(net(6, 4), Holder(), (PICTURES, LABELS))


def test_of_many_classes_the_likely_ones_and_the_truth_are_shown():
    z = np.linspace(0, 5, 20, dtype=np.float32)[None].repeat(4, axis=0)
    names = [f"class {k}" for k in range(20)]
    figure = draw(z, z, class_names=names, idx=0)
    shown = [t.get_text() for t in figure.axes[1].get_yticklabels()]
    assert shown == ["class 0 (truth)", *names[13:]]
    assert figure.axes[2].texts[-1].get_text() == "12 less likely classes not shown"


def test_a_one_output_pair_is_shown_as_two_classes():
    z = np.float32([[1], [2], [3], [4]])
    figure = draw(z, z, class_names=["B", "M"], data=(PICTURES, LABELS % 2), idx=1)
    np.testing.assert_allclose(
        widths(figure.axes[1], "student"), softmax(np.array([0, 2.0]))
    )


@pytest.mark.parametrize(
    ("more", "error", "told"),
    [
        ({"idx": 4}, DataError, "no picture 4: the data have 4"),
        ({"idx": -1}, DataError, "no picture -1"),
        ({"idx": []}, DataError, "idx is empty"),
        ({"temperature": 0}, RecipeError, "above 0; got 0"),
        ({"temperature": float("nan")}, RecipeError, "above 0"),
        ({"class_names": ["a", "b"]}, ModelError, "2 class names"),
        ({"data": (PICTURES, LABELS + 2), "idx": 1}, DataError, "A label is 3"),
    ],
)
def test_what_cannot_be_drawn_is_said(more, error, told):
    with pytest.raises(error, match=told):
        draw(**more)


def convolutional(size):
    keras.utils.set_random_seed(size)
    inputs = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def test_heat_maps_of_both_networks_by_every_method():
    data = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 3)).astype("f4"), LABELS
    teacher, student = convolutional(16), convolutional(8)
    figure = visualize_classification_kd(
        [teacher, teacher], student, data, idx=[1, 2], methods=["gradcam", "saliency"]
    )
    assert len(figure.axes) == 2 * (3 + 2 * 2)
    heat = figure.axes[3:7]
    assert [axes.get_title() for axes in heat[:2]] == ["Grad-CAM", "Saliency"]
    assert heat[0].get_ylabel() == "Teacher" and heat[2].get_ylabel() == "Student"
    from kerakd.explain import compare_maps, explain

    maps = [explain(m, data[0][1:2], "gradcam", LABELS[1]) for m in (teacher, student)]
    np.testing.assert_allclose(
        heat[2].images[1].get_array(), maps[1].maps[0], atol=1e-5
    )
    alike = compare_maps(*(one.at((32, 32)) for one in maps))["rank_correlation"][0]
    said = heat[2].get_xlabel().replace("\N{MINUS SIGN}", "-")
    assert said == f"rank correlation {alike:.2f}"
    # By default, all that suit.
    figure = visualize_classification_kd(student, student, data, idx=0)
    assert len(figure.axes) == 3 + 2 * 7
    assert (
        len(visualize_classification_kd(student, student, data, methods=()).axes) == 3
    )
    with pytest.raises(ModelError, match="for DeiT"):
        visualize_classification_kd(
            student, student, data, methods=["attention_rollout"]
        )
