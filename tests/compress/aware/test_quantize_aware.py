"""A network that learns to be rounded, and the file that comes of it."""

import keras
import numpy as np
import pytest

import kerakd
from kerakd.compress import LiteRTModel, quantize_aware, read_metadata, to_tf_keras
from kerakd.compress.aware.export import convert, float_operators
from kerakd.compress.aware.wrapping import set_ranges, wrap
from kerakd.errors import DataError, ModelError, RecipeError
from tests.compress.aware import task
from tests.compress.bridge.networks import pixels, relative, settled, small_unet

L = keras.layers


@pytest.fixture(scope="module")
def learned(student, train, tmp_path_factory):
    """The student after one epoch beside its float self as the teacher."""
    before = [w.copy() for w in student.get_weights()]
    path = tmp_path_factory.mktemp("aware") / "student.tflite"
    result = quantize_aware(
        student,
        train,
        teacher=student,
        epochs=1,
        path=path,
        class_names=list("abcd"),
        provenance={"recipe": "tests"},
        progress=False,
    )
    for old, new in zip(before, student.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    return result


def test_no_operator_is_left_in_float(learned):
    report = learned.export.report
    assert report["float_operators"] == {}
    assert set(report["outside_xnnpack"]) <= {"QUANTIZE"}
    assert learned.export.inputs["dtype"] == "uint8"
    assert learned.export.outputs["dtype"] == "int8"


def test_a_pixel_goes_in_as_the_byte_that_it_is(learned):
    assert learned.export.inputs["scale"] == 1.0
    assert learned.export.inputs["zero_point"] == 0


def test_the_file_is_as_good_as_the_student(learned, student, held_out):
    images, labels = held_out
    file = LiteRTModel(learned.export.path)
    before = task.accuracy(student(images, training=False), labels)
    assert before > 0.9
    assert task.accuracy(file(images), labels) >= before - 0.02
    # Rounded pixels are the file's input, so the model gets them too.
    exact = learned.model(np.rint(images), training=False)
    assert relative(exact, file(images)) < 0.1


def test_the_weights_come_back_to_keras_changed(learned, student):
    assert [layer.name for layer in learned.model.layers] == [
        layer.name for layer in student.layers
    ]
    kernel = learned.model.get_layer("wide").kernel
    change = relative(student.get_layer("wide").kernel, kernel)
    assert 1e-4 < change < 0.5


def test_the_file_says_what_it_is(learned):
    metadata = read_metadata(learned.export.path)
    assert metadata["class_names"] == list("abcd")
    assert metadata["mode"] == "int8"
    assert metadata["provenance"]["recipe"] == "tests"
    compression = metadata["provenance"]["compression"]
    assert compression["teacher"] is True
    assert compression["history"] == learned.history


def test_the_history_tells_the_parts_of_the_loss(learned, student, train):
    (row,) = learned.history
    total = 0.5 * row["student_loss"] + 0.5 * row["distillation_loss"]
    assert row["total_loss"] == pytest.approx(total, rel=1e-4)


def test_a_teacher_goes_on_teaching(train, held_out):
    teacher, pupil = task.trained(seed=5), task.classifier(seed=3)
    result = quantize_aware(
        pupil,
        train,
        teacher=teacher,
        student_loss_weight=0.0,
        temperature=2.0,
        epochs=3,
        learning_rate=3e-3,
        batch_size=16,
        progress=False,
    )
    images = held_out[0]
    before = task.divergence(teacher, pupil, images)
    assert task.divergence(teacher, result.model, images) < before / 2
    losses = [row["distillation_loss"] for row in result.history]
    assert losses[2] < losses[1] < losses[0]


@pytest.mark.slow
def test_cached_logits_teach_as_the_teacher_does(student, train):
    import tensorflow as tf

    images, labels = train[0][:64], train[1][:64]
    logits = np.asarray(student(images, training=False))[:, None]
    cached = {"student": images, "teacher_outputs": logits}
    plain = tf.data.Dataset.from_tensor_slices((images, labels)).batch(16)
    routed = tf.data.Dataset.from_tensor_slices((cached, labels)).batch(16)
    options = {"epochs": 1, "progress": False}
    one = quantize_aware(student, plain, teacher=student, **options)
    other = quantize_aware(student, routed, **options)
    assert one.history[0] == pytest.approx(other.history[0], rel=1e-3)


def test_labels_alone_teach_without_a_teacher_and_a_seed_repeats(student, train):
    few = (train[0][:48], train[1][:48])
    one = quantize_aware(student, few, seed=4, progress=False)
    other = quantize_aware(student, few, seed=4, progress=False)
    assert set(one.history[0]) == {"student_loss", "total_loss"}
    assert one.history == other.history
    for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.export is None


def test_a_frozen_layer_does_not_learn(train):
    model = task.classifier(seed=2)
    model.get_layer("wide").trainable = False
    result = quantize_aware(
        model, (train[0][:32], train[1][:32]), learning_rate=1e-2, progress=False
    )
    same = model.get_layer("wide").get_weights()
    for old, new in zip(
        same, result.model.get_layer("wide").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(old, new)
    assert relative(
        model.get_layer("stem").kernel, result.model.get_layer("stem").kernel
    )


@pytest.mark.parametrize(
    "name", ["unet_student", pytest.param("unet_teacher", marks=pytest.mark.slow)]
)
def test_a_unet_becomes_integers_throughout(name, tmp_path):
    model = small_unet(name)
    images = np.random.default_rng(0).normal(size=(32, 32, 32, 3)).astype(np.float32)
    masks = (images.mean(-1) > 0).astype(np.int64)
    result = quantize_aware(
        model,
        (images, masks),
        teacher=model,
        batch_size=16,
        path=tmp_path / "unet.tflite",
        progress=False,
    )
    report = result.export.report
    assert report["float_operators"] == {}
    assert report["partitions"] == 1
    # Pixels that are z-scores keep their range.
    assert result.export.inputs["zero_point"] > 0
    assert report["top1_agreement"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["mobilenet_v2", "efficientnet_v2_b0", "resnet50", "mobilenet_v3_small"]
)
def test_a_big_network_becomes_integers_throughout(name):
    model = settled(kerakd.models.build(name, 4, (64, 64, 3)))
    legacy = to_tf_keras(model)
    whole, inner = wrap(legacy)
    set_ranges(whole, inner, legacy, pixels((64, 64, 3), count=32))
    flatbuffer = convert(whole)
    assert float_operators(flatbuffer) == {}
    operators = LiteRTModel.from_content(flatbuffer).operators()
    assert operators["partitions"] == 1
    assert set(operators["outside_xnnpack"]) <= {"QUANTIZE"}


def _with(layer, before=None):
    image = keras.Input((8, 8, 3))
    x = (before or L.Conv2D(4, 1))(image)
    x = L.GlobalAveragePooling2D()(layer(x))
    return keras.Model(image, L.Dense(4)(x))


@pytest.mark.parametrize(
    ("layer", "before", "message"),
    [
        (L.LayerNormalization(name="odd"), None, "'odd'.*no 8-bit form"),
        (L.Activation("softsign", name="odd"), None, "'odd'.*softsign.*no 8-bit form"),
        (
            L.BatchNormalization(name="odd"),
            L.Conv2DTranspose(4, 2),
            "'odd'.*follows Conv2DTranspose",
        ),
        (L.Lambda(lambda x: x, name="odd"), None, "'odd'.*Lambda"),
    ],
)
def test_a_layer_without_an_8_bit_form_is_named(layer, before, message):
    images, labels = np.zeros((4, 8, 8, 3), np.float32), np.zeros(4, np.int64)
    with pytest.raises(ModelError, match=message):
        quantize_aware(_with(layer, before), (images, labels), progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "`epochs` must be"),
        ({"learning_rate": 0.0}, "`learning_rate` must be"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be"),
        ({"seed": -1}, "`seed` must be"),
        ({"path": "student.keras"}, r"ends in \.tflite"),
        ({"class_names": ["a"]}, "class_names"),
        ({"distillation_losses": "kl_divergence"}, "nobody to learn from"),
    ],
)
def test_an_option_out_of_range_is_refused(student, train, options, message):
    with pytest.raises(RecipeError, match=message):
        quantize_aware(student, train, progress=False, **options)


def test_data_that_do_not_fit_are_refused(student, train):
    images, labels = train
    with pytest.raises(DataError, match="Labels run from"):
        quantize_aware(student, (images, labels + 9), progress=False)
    with pytest.raises(DataError, match="takes inputs of shape"):
        quantize_aware(student, (images[:, :8], labels), progress=False)
    broken = images.copy()
    broken[0, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="NaN"):
        quantize_aware(student, (broken, labels), progress=False)


@pytest.mark.slow
def test_a_learning_rate_that_explodes_is_reported(student, train):
    with pytest.raises(ModelError, match=r"(no longer|not) finite"):
        quantize_aware(student, train, learning_rate=1e30, epochs=2, progress=False)


def test_the_three_ways_take_alike_what_they_share():
    import inspect

    import kerakd

    ways = [
        list(inspect.signature(getattr(kerakd.compress, name)).parameters.items())
        for name in ("quantize_aware", "prune", "cluster")
    ]
    for way in ways[1:]:
        ours = {name: one.annotation for name, one in ways[0]}
        theirs = {name: one.annotation for name, one in way}
        shared = [name for name in theirs if name in ours]
        assert shared == list(ours)
        assert {name: theirs[name] for name in shared} == ours
    prune, cluster = (dict(way) for way in ways[1:])
    own = {"sparsity", "structure", "begin", "end"}, {"clusters", "beginning"}
    assert set(prune) - own[0] == set(cluster) - own[1]
