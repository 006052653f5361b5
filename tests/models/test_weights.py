import warnings

import keras
import numpy as np
import pytest

from kerakd.errors import ModelError
from kerakd.models import build, taps

from .conftest import CLASSES, SMALL, write_as_downloaded

NAME, SHAPE, ALPHA = "mobilenet_v2", (32, 32, 3), 0.35


def small(classes=CLASSES, shape=SHAPE, **options):
    return build(NAME, classes, shape, **{"alpha": ALPHA, **options})


def same_backbone(a, b):
    left, right = a.get_weights()[:-2], b.get_weights()[:-2]
    return all(np.array_equal(x, y) for x, y in zip(left, right, strict=True))


def refusal(weights, **options):
    with pytest.raises(ModelError) as caught:
        small(weights=weights, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def files(tmp_path_factory, classifiers):
    folder = tmp_path_factory.mktemp("weights")
    classifiers(NAME).save(folder / "model.keras")
    classifiers(NAME).save_weights(folder / "model.weights.h5")
    return folder


@pytest.mark.parametrize("file", ["model.keras", "model.weights.h5"])
def test_a_file_of_the_same_model_fills_all_of_it(file, files, classifiers):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = small(weights=files / file)
    for ours, theirs in zip(model.weights, classifiers(NAME).weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("file", ["model.keras", "model.weights.h5"])
def test_a_file_for_other_classes_gives_its_backbone_and_says_so(
    file, files, classifiers
):
    with pytest.warns(UserWarning, match="logits of 'mobilenet_v2' stays new"):
        model = small(CLASSES + 1, weights=files / file)
    assert same_backbone(model, classifiers(NAME))


def test_other_channels_dropout_and_head_take_the_same_file(files, classifiers):
    with pytest.warns(UserWarning, match="head_dense, logits of"):
        model = small(
            shape=(48, 40, 1),
            dropout=0.0,
            head_units=8,
            weights=files / "model.weights.h5",
        )
    np.testing.assert_array_equal(
        model.get_layer("Conv1").get_weights()[0],
        classifiers(NAME).get_layer("Conv1").get_weights()[0],
    )


def test_weights_of_another_width_are_refused_by_layer_and_shape(files):
    message = refusal(files / "model.weights.h5", alpha=0.5)
    assert "'block_1_project' needs the shapes [(1, 1, 48, 16)]" in message
    assert "the file has [(1, 1, 48, 8)]" in message
    assert "other options" in message
    assert "other options" in refusal(files / "model.keras", alpha=0.5)


def test_a_file_of_another_model_is_refused(files, tmp_path):
    other = build("alexnet", CLASSES, **SMALL["alexnet"])
    other.save(tmp_path / "alexnet.keras")
    other.save_weights(tmp_path / "alexnet.weights.h5")
    assert "'Conv1'" in refusal(tmp_path / "alexnet.keras")
    assert "'Conv1'" in refusal(tmp_path / "alexnet.weights.h5")
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "dense.weights.h5")
    write_as_downloaded(other, tmp_path / "dense.h5")
    for file, message in (("dense.weights.h5", "'conv1'"), ("dense.h5", "no layers")):
        with pytest.raises(ModelError, match=message):
            build("alexnet", CLASSES, weights=tmp_path / file, **SMALL["alexnet"])


def test_paths_that_cannot_be_read_are_refused(tmp_path):
    assert "no weights file" in refusal(tmp_path / "absent.weights.h5")
    assert "Did you mean 'imagenet'" in refusal("imagnet")
    assert "a path, got 7" in refusal(7)
    (tmp_path / "model.pt").write_bytes(b"x")
    assert ".weights.h5" in refusal(tmp_path / "model.pt")
    (tmp_path / "broken.weights.h5").write_bytes(b"no HDF5")
    assert "damaged" in refusal(tmp_path / "broken.weights.h5")


def test_a_whole_model_in_the_old_format_is_refused(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).save(
        tmp_path / "old.h5"
    )
    assert "save it as .keras" in refusal(tmp_path / "old.h5")


def test_a_backbone_as_keras_downloads_it(tmp_path):
    reference = keras.applications.MobileNetV2(
        SHAPE, alpha=ALPHA, include_top=False, weights=None
    )
    write_as_downloaded(reference, tmp_path / "notop.h5")
    with pytest.warns(UserWarning, match="stays new"):
        model = small(weights=tmp_path / "notop.h5")
    for ours, theirs in zip(model.get_weights(), reference.get_weights(), strict=False):
        np.testing.assert_array_equal(ours, theirs)


def test_real_imagenet_weights_give_keras_s_features(real_data, pictures):
    path = real_data.parent / "weights/mobilenetv2_a035_224_imagenet_notop.weights.h5"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    shape = (96, 96, 3)
    reference = keras.applications.MobileNetV2(
        shape, alpha=0.35, include_top=False, weights=None, pooling="avg"
    )
    reference.load_weights(path)
    with pytest.warns(UserWarning, match="stays new"):
        model = small(shape=shape, weights=path)
    x = pictures(shape)
    expected = reference(
        keras.applications.mobilenet_v2.preprocess_input(x.astype("float32"))
    )
    features = taps(model, ["features"])(x)["features"]
    np.testing.assert_allclose(features, expected, atol=1e-4)
