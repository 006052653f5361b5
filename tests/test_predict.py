"""One image in, one answer out, the same from `.keras` and `.tflite`."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

import kerakd
from kerakd.errors import DataError, ModelError, RecipeError
from kerakd.predict import predict_images

NAMES = ["glioma", "meningioma", "notumor", "pituitary"]


def classifier(channels=3, classes=4, end=None):
    import keras

    keras.utils.set_random_seed(3)
    inputs = keras.Input((24, 32, channels))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(8, 5, strides=4, activation="relu")(x)
    x = keras.layers.Dense(
        classes, activation=end, kernel_initializer="random_normal", name="logits"
    )(keras.layers.Flatten()(x))
    return keras.Model(inputs, x, name="tiny")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with one model in both formats, and images beside."""
    from kerakd.compress import quantize

    folder = tmp_path_factory.mktemp("run")
    model = classifier()
    model.save(folder / "student.keras")
    quantize(model, path=folder / "student.tflite", class_names=NAMES)
    random = np.random.default_rng(0)
    for index in range(20):
        noise = random.integers(0, 256, (6, 5, 3), dtype=np.uint8)
        image = Image.fromarray(noise).resize((50 + index, 40), Image.BICUBIC)
        image.save(folder / f"scan_{index:02d}.png")
    return folder


@pytest.fixture(scope="module")
def scans(run):
    return sorted(run.glob("scan_*.png"))


def test_answers_are_those_of_the_model_on_the_pipelines_pixels(run, scans):
    answers = predict_images(run / "student.tflite", scans)
    pixels = np.stack(
        [kerakd.data.resize(kerakd.data.decode(p, 3), (24, 32)) for p in scans]
    )
    logits = classifier().predict(pixels.astype(np.float32), verbose=0)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = odds / odds.sum(axis=1, keepdims=True)
    assert [answer.path for answer in answers] == scans
    for answer, row in zip(answers, expected, strict=True):
        assert answer.class_name == NAMES[row.argmax()]
        assert answer.probability == pytest.approx(row.max(), abs=1e-5)
        np.testing.assert_allclose(
            list(answer.probabilities.values()), np.sort(row)[::-1], atol=1e-5
        )
        assert sum(answer.probabilities.values()) == pytest.approx(1)
        assert answer.note == ""
    assert len({answer.class_name for answer in answers}) > 1


def test_keras_and_tflite_agree(run, scans):
    one = predict_images(run / "student.keras", scans, class_names=NAMES)
    other = predict_images(run / "student.tflite", scans)
    for mine, its in zip(one, other, strict=True):
        assert mine.class_name == its.class_name
        for name in NAMES:
            assert mine.probabilities[name] == pytest.approx(
                its.probabilities[name], abs=1e-5
            )


def test_one_path_and_the_first_classes(run, scans):
    (answer,) = predict_images(str(run / "student.tflite"), str(scans[0]), top=2)
    assert next(iter(answer.probabilities)) == answer.class_name
    assert len(answer.probabilities) == 2
    everything = predict_images(run / "student.tflite", scans[:1], top=99)
    assert len(everything[0].probabilities) == 4
    assert json.loads(json.dumps(answer.as_dict()))["class"] == answer.class_name


def test_grey_models_and_pictures_of_any_mode(tmp_path):
    from kerakd.compress import quantize

    path = tmp_path / "grey.tflite"
    quantize(classifier(channels=1), path=path, class_names=NAMES)
    grey = Image.linear_gradient("L")
    grey.save(tmp_path / "grey.png")
    grey.convert("RGB").save(tmp_path / "rgb.png")
    grey.convert("LA").save(tmp_path / "alpha.png")
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    wide.save(tmp_path / "deep.png")
    answers = predict_images(path, sorted(tmp_path.glob("*.png")))
    assert len(answers) == 4
    assert len({tuple(answer.probabilities.items()) for answer in answers}) == 1


def test_huge_logits_give_finite_probabilities(tmp_path, scans):
    model = classifier()
    head = model.get_layer("logits")
    head.set_weights([1e4 * weight for weight in head.get_weights()])
    model.save(tmp_path / "sure.keras")
    for answer in predict_images(tmp_path / "sure.keras", scans[:4]):
        assert sum(answer.probabilities.values()) == pytest.approx(1)


def test_a_binary_model_has_two_classes(tmp_path, scans):
    model = classifier(classes=1)
    model.save(tmp_path / "binary.keras")
    (answer,) = predict_images(tmp_path / "binary.keras", scans[0], ["no", "yes"])
    pixels = kerakd.data.resize(kerakd.data.decode(scans[0], 3), (24, 32))
    logit = float(model.predict(pixels[None].astype(np.float32), verbose=0)[0, 0])
    assert answer.probabilities["yes"] == pytest.approx(1 / (1 + np.exp(-logit)))
    assert answer.class_name == ("yes" if logit > 0 else "no")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("student.json", {"class_names": NAMES}),
        ("metrics.json", {"models": {"student": {"class_names": NAMES}}}),
        ("samples.json", {"version": 1, "class_names": NAMES}),
    ],
)
def test_names_beside_a_keras_file(run, scans, tmp_path, file, content):
    model = tmp_path / "student.keras"
    model.write_bytes((run / "student.keras").read_bytes())
    (answer,) = predict_images(model, scans[0])
    assert set(answer.probabilities) == {"0", "1", "2", "3"}
    assert "student.keras carries no class names" in answer.note

    (tmp_path / file).write_text(json.dumps(content))
    (answer,) = predict_images(model, scans[0])
    assert set(answer.probabilities) == set(NAMES) and answer.note == ""


def test_a_strangers_json_beside_is_passed_over(run, scans, tmp_path):
    model = tmp_path / "student.keras"
    model.write_bytes((run / "student.keras").read_bytes())
    (tmp_path / "student.json").write_text("{broken")
    (tmp_path / "metrics.json").write_text('{"class_names": 4, "loss": [1, 2]}')
    (answer,) = predict_images(model, scans[0])
    assert "carries no class names" in answer.note


def test_given_names_win(run, scans):
    (answer,) = predict_images(run / "student.tflite", scans[0], list("abcd"))
    assert set(answer.probabilities) == set("abcd")
    for names in (["a", "b"], ["a", "b", "c", "c"]):
        with pytest.raises(DataError, match="4 classes apart"):
            predict_images(run / "student.tflite", scans[0], names)


def test_a_distiller_answers_through_its_student(run, scans, tmp_path):
    import keras

    distiller = kerakd.Distiller(
        classifier(), classifier(), [kerakd.losses.KLDivergence(temperature=4.0)]
    )
    distiller.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    distiller.save(tmp_path / "distiller.keras")
    ours = predict_images(tmp_path / "distiller.keras", scans[:3], NAMES)
    theirs = predict_images(run / "student.keras", scans[:3], NAMES)
    assert [a.class_name for a in ours] == [a.class_name for a in theirs]


def test_a_tflite_file_needs_no_tensorflow(run, scans):
    code = """
        import sys
        from kerakd.predict import predict_images
        answers = predict_images(sys.argv[1], sys.argv[2:])
        assert len(answers) == 2
        loaded = {"tensorflow", "keras"} & set(sys.modules)
        assert not loaded, loaded
    """
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(code),
            str(run / "student.tflite"),
            *map(str, scans[:2]),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("suffix", [".keras", ".tflite"])
def test_bad_images_are_named(run, tmp_path, suffix):
    model = run / f"student{suffix}"
    note = tmp_path / "note.png"
    note.write_text("no image")
    with pytest.raises(DataError, match=r"note\.png: its content is no image"):
        predict_images(model, [run / "scan_00.png", note])
    with pytest.raises(DataError, match=r"absent\.png: there is no such file"):
        predict_images(model, tmp_path / "absent.png")
    with pytest.raises(DataError, match="it is a folder"):
        predict_images(model, tmp_path)


def no_zip(path):
    path.write_bytes(b"no zip")


def softmax(path):
    classifier(end="softmax").save(path)


def segmentation(path):
    import keras

    inputs = keras.Input((24, 32, 3))
    keras.Model(inputs, keras.layers.Conv2D(2, 1)(inputs)).save(path)


def any_size(path):
    import keras

    inputs = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    keras.Model(inputs, keras.layers.Dense(2)(x)).save(path)


def table(path):
    import keras

    inputs = keras.Input((7,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(path)


def custom_code(path):
    import keras

    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    inputs = keras.Input((24, 32, 3))
    x = keras.layers.Flatten()(Mine()(inputs))
    keras.Model(inputs, keras.layers.Dense(2)(x)).save(path)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("m.keras", None, "There is no model file"),
        ("m.tflite", None, "There is no model file"),
        ("m.h5", no_zip, "neither a .keras nor a .tflite file"),
        ("m.keras", no_zip, "damaged or no Keras 3 file"),
        ("m.tflite", no_zip, "is no LiteRT"),
        ("m.keras", softmax, r"does not end in logits.*kerakd\.models\.with_logits"),
        ("m.keras", segmentation, r"\(None, 24, 32, 2\); expected one row of logits"),
        ("m.keras", any_size, r"\(None, None, 3\); expected a fixed height"),
        ("m.keras", table, r"inputs of shape \(None, 7\); expected one image input"),
        ("m.keras", custom_code, "class or function 'Mine'"),
    ],
)
def test_bad_models_are_named(scans, tmp_path, name, make, message):
    path = tmp_path / name
    if make:
        make(path)
    with pytest.raises(ModelError, match=message) as caught:
        predict_images(path, scans[0])
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_foreign_tflite_with_a_softmax_is_refused(scans, tmp_path):
    import tensorflow as tf

    from kerakd.compress.silence import quiet

    model = classifier(end="softmax")
    function = tf.function(lambda x: model(x, training=False), autograph=False)
    with quiet():
        concrete = function.get_concrete_function(
            tf.TensorSpec((1, 24, 32, 3), tf.float32)
        )
        content = tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
    path = tmp_path / "foreign.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"probabilities \(operator SOFTMAX\)"):
        predict_images(path, scans[0])


def test_options(run, scans):
    with pytest.raises(RecipeError, match="top must be at least 1"):
        predict_images(run / "student.tflite", scans, top=0)
    with pytest.raises(RecipeError, match="no image to predict"):
        predict_images(run / "student.tflite", [])
