"""Exported files do what the Keras model does, or are not written."""

import json
import shutil
import subprocess
import tempfile

import numpy as np
import pytest

from kerakd.compress import LiteRTModel, quantize
from kerakd.errors import KerakdError, ModelError
from tests.compress.tiny import pixels, small_classifier


@pytest.mark.parametrize("channels", [1, 3])
def test_float32_equals_keras(channels, tmp_path):
    model = small_classifier(channels)
    images = pixels(9, channels)
    export = quantize(model, "float32", images, path=tmp_path / "m.tflite")

    logits = LiteRTModel(export.path)(images)
    difference = np.abs(logits - model.predict(images, verbose=0)).max()
    print(f"channels {channels}: max difference {difference:.2e}")
    assert difference < 1e-4
    assert export.report["max_abs_difference"] < 1e-4
    assert export.report["images"] == 9 and export.report["pixels"] == "given"
    assert export.report["top1_agreement"] == 1.0
    assert export.report["partitions"] == 1
    assert export.report["outside_xnnpack"] == {}
    assert export.inputs["shape"] == [1, 32, 32, channels]
    assert export.inputs["dtype"] == export.outputs["dtype"] == "float32"
    assert export.outputs["shape"] == [1, 4]


def test_file_has_the_weights_and_its_stated_size(exported, model):
    assert exported.bytes == exported.path.stat().st_size
    assert exported.bytes > 4 * exported.parameters * 0.9
    assert exported.parameters == model.count_params()


def test_export_is_json_able(exported):
    assert json.loads(json.dumps(exported.as_dict()))["path"] == str(exported.path)


def test_nothing_is_printed_and_nothing_left_behind(
    model, tmp_path, capfd, monkeypatch
):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    quantize(model, path=tmp_path / "run" / "m.tflite")
    assert capfd.readouterr() == ("", "")
    assert list(scratch.iterdir()) == []
    names = sorted(file.name for file in (tmp_path / "run").iterdir())
    assert names == ["m.tflite", "m.tflite.json"]


def test_without_images_random_pixels_are_compared(model, tmp_path):
    export = quantize(model, path=tmp_path / "m.tflite")
    assert export.report["pixels"] == "random" and export.report["images"] == 8


def test_equal_models_give_equal_bytes(model, exported, images, tmp_path):
    again = quantize(
        model,
        representative_data=images,
        path=tmp_path / "student.tflite",
        class_names=["glioma", "meningioma", "notumor", "pituitary"],
        provenance={"recipe": "tests"},
    )
    assert again.path.read_bytes() == exported.path.read_bytes()


def test_any_batch(model, images, tmp_path):
    export = quantize(model, path=tmp_path / "m.tflite", batch_size=None)
    litert = LiteRTModel(export.path)
    assert export.inputs["shape"] == [None, 32, 32, 3]
    assert litert.input_shape == (None, 32, 32, 3)
    expected = model.predict(images, verbose=0)
    for count in (1, 5, 12, 5):
        np.testing.assert_allclose(litert(images[:count]), expected[:count], atol=1e-4)
    many = pixels(70, seed=3)
    np.testing.assert_allclose(litert(many), model.predict(many, verbose=0), atol=1e-4)


def test_fixed_batch_of_four_takes_any_number_of_images(model, images, tmp_path):
    export = quantize(model, path=tmp_path / "m.tflite", batch_size=4)
    expected = model.predict(images, verbose=0)
    for count in (1, 4, 7):
        logits = LiteRTModel(export.path)(images[:count])
        np.testing.assert_allclose(logits, expected[:count], atol=1e-4)


def test_float16_and_dynamic_are_smaller_and_near(tmp_path):
    import keras

    keras.utils.set_random_seed(1)
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(16, 3, strides=2, activation="relu")(x)
    x = keras.layers.Conv2D(128, 3, strides=2, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(256, activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(4, name="logits")(x))
    images = pixels(8)
    exports = {
        mode: quantize(model, mode, images, path=tmp_path / f"{mode}.tflite")
        for mode in ("float32", "float16", "dynamic")
    }
    size = exports["float32"].bytes
    assert exports["float16"].bytes < 0.6 * size
    assert exports["dynamic"].bytes < 0.4 * size
    expected = model.predict(images, verbose=0)
    for mode, export in exports.items():
        assert export.mode == mode
        logits = LiteRTModel(export.path)(images)
        relative = np.abs(logits - expected).max() / np.abs(expected).max()
        print(f"{mode}: {export.bytes} bytes, relative difference {relative:.2e}")
        assert relative == pytest.approx(export.report["relative"])
        assert relative < {"float32": 1e-5, "float16": 5e-3, "dynamic": 0.1}[mode]


def test_segmentation_maps(tmp_path):
    import keras

    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    x = keras.layers.Conv2DTranspose(8, 3, strides=2, padding="same")(x)
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="logits")(x))
    images = pixels(3)
    export = quantize(model, "float32", images, path=tmp_path / "unet.tflite")
    litert = LiteRTModel(export.path)
    assert litert.metadata["task"] == "segmentation"
    assert litert(images).shape == (3, 32, 32, 2)
    np.testing.assert_allclose(
        litert(images), model.predict(images, verbose=0), rtol=1e-4, atol=1e-3
    )


def test_a_distilled_run_exports_what_with_logits_gives(tmp_path):
    from kerakd.models import with_logits

    model = small_classifier(end="softmax")
    path = tmp_path / "m.tflite"
    with pytest.raises(ModelError, match=r"kerakd\.models\.with_logits"):
        quantize(model, path=path)
    assert list(tmp_path.iterdir()) == []

    images = pixels(6)
    quantize(with_logits(model), "float32", images, path=path)
    logits = LiteRTModel(path)(images)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        odds / odds.sum(axis=1, keepdims=True),
        model.predict(images, verbose=0),
        atol=1e-5,
    )


def test_operators_that_litert_lacks_are_named(tmp_path, capfd):
    import keras

    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(keras.ops.erfinv(inputs / 1000.0))
    model = keras.Model(inputs, keras.layers.Dense(2)(x), name="exotic")
    with pytest.raises(ModelError, match=r"'exotic' uses operators .*Erfinv"):
        quantize(model, path=tmp_path / "m.tflite")
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_model_full_of_nan_is_not_written(tmp_path):
    model = small_classifier()
    layer = model.get_layer("logits")
    layer.set_weights([np.full_like(w, np.nan) for w in layer.get_weights()])
    with pytest.raises(ModelError, match="not finite"):
        quantize(model, path=tmp_path / "m.tflite")
    assert list(tmp_path.iterdir()) == []


def test_images_of_another_size_are_refused(model, tmp_path):
    with pytest.raises(KerakdError, match=r"\(batch, 32, 32, 3\).*\(2, 16, 16, 3\)"):
        quantize(model, "float32", pixels(2, size=16), path=tmp_path / "m.tflite")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a file system of 8 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(folder)]
    if (
        not shutil.which("mount")
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("mounting a small tmpfs is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_file_and_nothing_half_written(model, full_disk):
    path = full_disk / "m.tflite"
    path.write_bytes(b"the file of yesterday")
    with pytest.raises(KerakdError, match=r"m\.tflite.*the disk is full"):
        quantize(model, path=path)
    assert list(full_disk.iterdir()) == [path]
    assert path.read_bytes() == b"the file of yesterday"


def test_a_file_in_place_of_the_folder_is_named(model, tmp_path):
    (tmp_path / "run").write_text("no folder")
    with pytest.raises(KerakdError, match=r"Cannot write .*run: .*another folder"):
        quantize(model, path=tmp_path / "run" / "m.tflite")
