import keras
import numpy as np
import pytest
from keras import layers

from kerakd.errors import ModelError
from kerakd.models import build
from kerakd.models.imagenet import RESNET50
from kerakd.models.weights import load_weights

from .conftest import CLASSES, write_as_downloaded

FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5"
ARGUMENTS = ("mobilenet_v2", CLASSES, (96, 96, 3), "imagenet")


def test_a_missing_file_is_named_with_its_place_and_nothing_is_drawn_instead(offline):
    with pytest.raises(ModelError) as caught:
        build(*ARGUMENTS, alpha=0.35)
    message = str(caught.value)
    assert FILE in message and str(offline) in message
    assert "weights=None" in message
    assert "\n" not in message
    assert list(offline.iterdir()) == []


def test_the_file_is_found_once_it_is_there(offline):
    backbone = keras.applications.MobileNetV2(
        (96, 96, 3), alpha=0.35, include_top=False, weights=None
    )
    write_as_downloaded(backbone, offline / FILE)
    with pytest.warns(UserWarning, match="stays new"):
        model = build(*ARGUMENTS, alpha=0.35)
    for ours, theirs in zip(model.get_weights(), backbone.get_weights(), strict=False):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "options", "available"),
    [
        ("mobilenet_v2", {"alpha": 0.4}, "0.35, 0.5, 0.75"),
        ("mobilenet_v3_small", {"alpha": 0.5}, "0.75 and 1.0"),
        ("mobilenet_v3_small", {"alpha": 0.75, "minimalistic": True}, "minimalistic"),
    ],
)
def test_widths_without_published_weights_are_told(name, options, available):
    with pytest.raises(ModelError, match="no ImageNet weights") as caught:
        build(name, CLASSES, (32, 32, 3), "imagenet", **options)
    assert available in str(caught.value)


def test_a_model_without_published_weights_says_so():
    with pytest.raises(ModelError, match="no ImageNet weights for 'alexnet'"):
        build("alexnet", CLASSES, (67, 67, 1), "imagenet", dense_units=8)


def small_resnet(*normalisation):
    """The first and last layers of a ResNet, by its names."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            *normalisation,
            layers.Conv2D(2, 3, name="conv1_conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES, name="logits"),
        ]
    )


@pytest.mark.parametrize("file", ["model.keras", "model.weights.h5"])
def test_our_own_resnet_is_not_taken_for_keras_s(file, tmp_path):
    saved, model = (small_resnet(layers.Rescaling(1, name="normalize")) for _ in "12")
    save = saved.save if file == "model.keras" else saved.save_weights
    save(tmp_path / file)
    load_weights(model, tmp_path / file, RESNET50, {})
    for ours, theirs in zip(model.weights, saved.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_keras_s_resnet_was_trained_on_bgr(tmp_path):
    saved = small_resnet()
    saved.save(tmp_path / "keras.keras")
    model = small_resnet(layers.Rescaling(1, name="normalize"))
    load_weights(model, tmp_path / "keras.keras", RESNET50, {})
    x = np.random.default_rng(5).normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(model(x), saved(x[..., ::-1]), atol=1e-5)
