import json
import zipfile

import keras
import numpy as np
import pytest

import kerakd
from kerakd.losses import Hint, KLDivergence
from tests.distillation.tiny import (
    assert_same_weights,
    crossentropy,
    make_data,
    make_model,
    weights_of,
)


def compiled(teacher, student, **options):
    distiller = kerakd.Distiller(
        teacher,
        student,
        [KLDivergence(3.0), Hint("relu", "relu")],
        distillation_loss_weights=[1.0, 0.1],
        student_loss_weight=keras.optimizers.schedules.PolynomialDecay(0.9, 20, 0.1),
        **options,
    )
    distiller.compile(keras.optimizers.Adam(1e-2), crossentropy(), metrics=["accuracy"])
    return distiller


def fit(distiller, epochs=2):
    x, y = make_data()
    distiller.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0)


def everything(distiller):
    states = [np.array(v) for v in distiller.variables]
    return states + [np.array(v) for v in distiller.optimizer.variables]


@pytest.fixture
def pair(teacher, tmp_path):
    """A teacher in a file, and a trained Distiller saved beside it."""
    teacher.save(tmp_path / "teacher.keras")
    distiller = compiled(
        str(tmp_path / "teacher.keras"), make_model(4, seed=2, dropout=0.4, l2=1e-3)
    )
    fit(distiller)
    distiller.save(tmp_path / "distiller.keras")
    return distiller, tmp_path


def test_a_loaded_distiller_continues_to_the_same_weights(pair):
    distiller, folder = pair
    loaded = kerakd.load(folder / "distiller.keras")
    for one, other in zip(everything(distiller), everything(loaded), strict=True):
        np.testing.assert_array_equal(one, other)
    assert int(loaded.steps) == 6
    fit(distiller)
    fit(loaded)
    for one, other in zip(everything(distiller), everything(loaded), strict=True):
        np.testing.assert_array_equal(one, other)


def test_plain_keras_loads_it_too(pair):
    distiller, folder = pair
    loaded = keras.models.load_model(folder / "distiller.keras")
    assert_same_weights(loaded, distiller)
    assert loaded.get_config()["teacher"] == distiller.get_config()["teacher"]


def test_the_file_holds_the_teacher_by_reference_only(pair, teacher):
    _, folder = pair
    with zipfile.ZipFile(folder / "distiller.keras") as archive:
        config = json.loads(archive.read("config.json"))["config"]
    assert config["teacher"][0]["path"].endswith("teacher.keras")
    assert len(config["teacher"][0]["weights_sha256"]) == 64
    wide = make_model(512, seed=1)
    other = compiled(wide, make_model(4, seed=2))
    other.save(folder / "other.keras")
    size = (folder / "other.keras").stat().st_size
    assert abs(size - (folder / "distiller.keras").stat().st_size) < 20_000


def test_the_teacher_is_found_beside_the_file(pair, tmp_path):
    _, folder = pair
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("teacher.keras", "distiller.keras"):
        (folder / name).rename(moved / name)
    loaded = kerakd.load(moved / "distiller.keras")
    assert loaded.teacher is not None
    fit(loaded)


def test_without_its_teacher_it_evaluates_and_waits(pair, teacher):
    distiller, folder = pair
    (folder / "teacher.keras").unlink()
    loaded = kerakd.load(folder / "distiller.keras")
    assert loaded.teacher is None
    x, y = make_data()
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), distiller.predict(x, verbose=0)
    )
    loaded.evaluate(x, y, verbose=0)
    loaded.save(folder / "again.keras")
    with pytest.raises(kerakd.KerakdError, match="attach_teacher"):
        fit(loaded)
    with pytest.raises(kerakd.KerakdError, match="not the teacher"):
        loaded.attach_teacher(make_model(8, seed=9))
    loaded.attach_teacher(teacher)
    fit(loaded)
    fit(distiller)
    assert_same_weights(loaded, distiller)


def test_a_teacher_that_changed_is_not_attached_silently(pair):
    _, folder = pair
    make_model(8, seed=77).save(folder / "teacher.keras")
    loaded = kerakd.load(folder / "distiller.keras")
    assert loaded.teacher is None
    loaded.attach_teacher(folder / "teacher.keras", check=False)
    fit(loaded)


def test_weights_alone_round_trip(pair):
    distiller, folder = pair
    distiller.save_weights(folder / "d.weights.h5")
    teacher = folder / "teacher.keras"
    other = compiled(str(teacher), make_model(4, seed=3, dropout=0.4, l2=1e-3))
    other.load_weights(folder / "d.weights.h5")
    for one, two in zip(distiller.variables, other.variables, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_checkpoint_callback_writes_what_load_reads(teacher, tmp_path):
    distiller = compiled(teacher, make_model(4, seed=2))
    x, y = make_data()
    path = tmp_path / "checkpoint.keras"
    callback = keras.callbacks.ModelCheckpoint(path)
    distiller.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[callback])
    assert_same_weights(kerakd.load(path), distiller)


def test_the_student_stands_alone(pair):
    distiller, folder = pair
    distiller.student.save(folder / "student.keras")
    student = keras.models.load_model(folder / "student.keras")
    for one, other in zip(weights_of(student), weights_of(distiller.student)):  # noqa: B905
        np.testing.assert_array_equal(one, other)


@keras.saving.register_keras_serializable("kerakd_tests")
class Scale(keras.layers.Layer):
    def call(self, x):
        return x * 0.5


def test_preprocessing_of_the_teacher_comes_back(teacher, tmp_path):
    distiller = compiled(teacher, make_model(4, seed=2), teacher_preprocessing=Scale())
    fit(distiller)
    distiller.save(tmp_path / "d.keras")
    loaded = kerakd.load(tmp_path / "d.keras").attach_teacher(teacher)
    fit(distiller)
    fit(loaded)
    assert_same_weights(loaded, distiller)


def test_bad_files_are_one_sentence(tmp_path):
    with pytest.raises(kerakd.KerakdError, match="no model file"):
        kerakd.load(tmp_path / "absent.keras")
    (tmp_path / "text.keras").write_text("hello")
    with pytest.raises(kerakd.KerakdError, match="damaged or no Keras 3 file"):
        kerakd.load(tmp_path / "text.keras")
    (tmp_path / "model.h5").write_text("hello")
    with pytest.raises(kerakd.KerakdError, match=r"no \.keras file"):
        kerakd.load(tmp_path / "model.h5")


def test_code_in_a_file_is_not_run(tmp_path):
    inputs = keras.Input((4,))
    outputs = keras.layers.Lambda(lambda x: x * 2)(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "lambda.keras")
    with pytest.raises(kerakd.KerakdError, match="holds code"):
        kerakd.load(tmp_path / "lambda.keras")


def test_unknown_classes_and_versions_are_named(tmp_path):
    class Unregistered(keras.layers.Layer):
        def call(self, x):
            return x

    inputs = keras.Input((4,))
    path = tmp_path / "custom.keras"
    keras.Model(inputs, Unregistered()(inputs)).save(path)
    with pytest.raises(kerakd.KerakdError, match="Unregistered"):
        kerakd.load(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["metadata.json"] = b'{"keras_version": "9.1.0"}'
    config = json.loads(parts["config.json"])
    config["config"]["layers"] = "a future format"
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(kerakd.KerakdError, match=r"Keras 9\.1\.0"):
        kerakd.load(path)
