"""int8: raw bytes in, near logits out, in one partition, and every choice recorded."""

import json

import keras
import numpy as np
import pytest

from kerakd.compress import LiteRTModel, quantize
from kerakd.compress.backends import BACKENDS
from kerakd.compress.converter import to_flatbuffer
from kerakd.compress.hard_swish import split_hard_swish
from kerakd.compress.integer import to_int8
from kerakd.errors import DataError, ModelError, RecipeError
from tests.compress.tiny import pixels


@pytest.fixture(scope="module")
def training_images():
    return pixels(120, seed=11)


@pytest.fixture(scope="module")
def swishing():
    """A model whose activations XNNPACK does not run in int8."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="hard_swish")(x)
    x = keras.layers.Conv2D(12, 3, strides=2)(x)
    x = keras.layers.Activation("hard_swish")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(4, name="logits")(x), name="swish")


@pytest.fixture(scope="module")
def float_swish(swishing):
    return to_flatbuffer(swishing, "float32", (1, 32, 32, 3))


@pytest.fixture(scope="module")
def int8(model, training_images, tmp_path_factory):
    path = tmp_path_factory.mktemp("int8") / "student_int8.tflite"
    labels = np.arange(120) % 4
    return quantize(model, "int8", (training_images, labels), path=path)


def test_bytes_of_an_image_are_what_the_file_takes(int8, model, images):
    assert int8.inputs["dtype"] == "uint8" and int8.outputs["dtype"] == "int8"
    assert (int8.inputs["scale"], int8.inputs["zero_point"]) == (1.0, 0)
    litert = LiteRTModel(int8.path)
    expected = model.predict(images, verbose=0)
    given = litert(images.astype(np.uint8))
    spread = expected.std()
    assert np.abs(given - expected).mean() < 0.05 * spread
    # The bare interpreter with the bytes themselves gives the same.
    runner = litert._interpreter.get_signature_runner()
    raw = runner(images=images[:1].astype(np.uint8))["logits"].astype(np.float32)
    scale, zero_point = int8.outputs["scale"], int8.outputs["zero_point"]
    np.testing.assert_allclose((raw - zero_point) * scale, given[:1], atol=1e-6)


def test_the_report_says_what_was_tried_and_why_it_was_chosen(int8):
    report = json.loads(json.dumps(int8.report))
    assert report["representative"] == {
        "count": 120,
        "seed": 0,
        "per_class": {"0": 30, "1": 30, "2": 30, "3": 30},
        "offered": 120,
    }
    assert report["partitions"] == 1
    assert report["outside_xnnpack"] == {"QUANTIZE": 1}  # the bytes to int8
    assert report["top1_agreement"] > 0.95
    names = [candidate["name"] for candidate in report["candidates"]]
    assert names == ["converter", "ai_edge_quantizer"] and report["refused"] == {}
    assert report["chosen"] in names
    assert f"{report['int8_over_float32']:.2f}" in report["reason"]
    assert report["peak_activation_bytes"] > 32 * 32 * 3
    assert LiteRTModel(int8.path).metadata["report"] == int8.report
    assert LiteRTModel(int8.path).metadata["multiply_adds"] > 0


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_operators_outside_the_delegate_are_left_in_float(
    float_swish, training_images, backend
):
    choice = to_int8(float_swish, training_images, backend=backend, seconds=0.05)
    found = {c["name"]: c for c in choice.report["candidates"]}
    torn, repaired = found[backend], found[f"{backend}, HARD_SWISH in float"]
    assert torn["outside_xnnpack"] == {"HARD_SWISH": 2} and torn["partitions"] > 1
    assert repaired["outside_xnnpack"] == {} and repaired["partitions"] == 1
    assert torn["all_integer"] and not repaired["all_integer"]
    assert not repaired["rewritten_hard_swishes"]


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_hard_swish_splits_into_integer_operators(
    float_swish, training_images, backend
):
    choice = to_int8(
        float_swish, training_images, backend=backend, integer_only=True, seconds=0.05
    )
    found = {c["name"]: c for c in choice.report["candidates"]}
    split = found[f"{backend}, hard-swish split"]
    assert split["rewritten_hard_swishes"] == 2 and split["all_integer"]
    assert split["partitions"] == 1 and split["outside_xnnpack"] == {}
    assert not any(c["float_operators"] for c in found.values())


def test_the_split_computes_the_same(float_swish):
    split, count = split_hard_swish(float_swish)
    images = pixels(6, seed=4)
    before, after = map(LiteRTModel.from_content, (float_swish, split))
    assert count == 2 and "HARD_SWISH" not in after.operators()["operators"]
    np.testing.assert_allclose(after(images), before(images), atol=1e-5)
    # One product each: a sixth of it is in the kernels behind.
    assert after.operators()["operators"]["MUL"] == 2


def test_a_sixth_that_no_kernel_takes_up_is_a_product_of_its_own():
    """Behind a gate's mean and product kernels take it up, behind a sum none does."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="hard_swish")(inputs)
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = keras.layers.Conv2D(4, 1, activation="sigmoid")(mean)
    x = keras.layers.Conv2D(4, 1)(keras.layers.Multiply()([x, gate]))
    swished = keras.layers.Activation("hard_swish")(x)
    x = keras.layers.Add()([swished, x])
    x = keras.layers.Conv2D(2, 8)(x)
    model = keras.Model(inputs, keras.layers.Flatten()(x))
    content = to_flatbuffer(model, "float32", (1, 8, 8, 3))
    split, count = split_hard_swish(content)
    before, after = map(LiteRTModel.from_content, (content, split))
    images = pixels(4, size=8)
    np.testing.assert_allclose(after(images), before(images), rtol=1e-5, atol=1e-4)
    assert count == 2
    # The gate's, one for the first hard-swish, two for the second.
    assert after.operators()["operators"]["MUL"] == 4


def test_the_users_model_is_not_changed(swishing, training_images, tmp_path):
    before = swishing.get_weights()
    config = swishing.get_config()
    quantize(
        swishing,
        "int8",
        training_images,
        path=tmp_path / "m.tflite",
        backend="converter",
        input_dtype="int8",
    )
    assert swishing.get_config() == config
    for old, new in zip(before, swishing.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_int8_pixels_are_bytes_less_128(model, training_images, images, tmp_path):
    export = quantize(
        model,
        "int8",
        training_images,
        path=tmp_path / "m.tflite",
        input_dtype="int8",
        backend="converter",
        batch_size=None,
    )
    assert export.inputs["dtype"] == "int8"
    assert (export.inputs["scale"], export.inputs["zero_point"]) == (1.0, -128)
    assert export.inputs["shape"] == [None, 32, 32, 3]
    assert export.report["outside_xnnpack"] == {}
    given = LiteRTModel(export.path)(images)
    assert np.abs(given - model.predict(images, verbose=0)).max() < 0.2


def test_int16x8_takes_and_gives_floats(model, training_images, images, tmp_path):
    export = quantize(model, "int16x8", training_images, path=tmp_path / "m.tflite")
    assert export.inputs["dtype"] == export.outputs["dtype"] == "float32"
    assert export.report["partitions"] == 0  # XNNPACK has no such kernels
    assert export.report["relative"] < 0.05
    assert export.report["representative"]["count"] == 120


def test_segmentation_maps(training_images, tmp_path):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = keras.layers.LeakyReLU(negative_slope=0.01)(x)
    x = keras.layers.Conv2DTranspose(8, 3, strides=2, padding="same")(x)
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="logits")(x))
    export = quantize(
        model,
        "int8",
        training_images,
        path=tmp_path / "unet.tflite",
        backend="converter",
    )
    assert export.report["partitions"] == 1
    assert export.outputs["shape"] == [1, 32, 32, 2]
    assert export.report["top1_agreement"] > 0.9
    assert export.report["representative"]["per_class"] is None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"data": None}, DataError, "int8 needs representative_data: at least 100"),
        ({"data": pixels(99)}, DataError, "at least 100 images, 99 came"),
        ({"data": pixels(100) / 255}, DataError, "as if scaled to 0..1"),
        ({"data": pixels(100) - 128}, DataError, r"run from -128 to 127"),
        ({"data": pixels(100) * np.nan}, DataError, "raw pixels in 0..255"),
        ({"data": pixels(100, size=16)}, DataError, r"\(batch, 32, 32, 3\).*16, 16"),
        ({"calibration_images": 99}, RecipeError, "at least 100 images; 99 were asked"),
        ({"backend": "convertor"}, RecipeError, "Did you mean 'converter'"),
        ({"input_dtype": "float32"}, RecipeError, "uint8 or int8 pixels"),
        (
            {"inputs": "values", "input_dtype": "uint8"},
            RecipeError,
            "float32 or int8 values",
        ),
        ({"inputs": "pixel"}, RecipeError, "Did you mean 'pixels'"),
        ({"sensitive": "all"}, RecipeError, '"auto" or a list of layer names'),
        ({"sensitive": ["logit"]}, RecipeError, "Did you mean 'logits'"),
        (
            {"sensitive": "auto", "integer_only": True},
            RecipeError,
            "choose one of them",
        ),
        ({"mode": "float16", "integer_only": True}, RecipeError, "belong to mode int8"),
    ],
)
def test_what_int8_cannot_use(
    model, training_images, options, error, message, tmp_path
):
    options = {"mode": "int8", "data": training_images} | options
    mode, data = options.pop("mode"), options.pop("data")
    with pytest.raises(error, match=message):
        quantize(model, mode, data, path=tmp_path / "m.tflite", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_no_quantiser_takes_leaves_no_file(
    model, training_images, tmp_path, monkeypatch
):
    def broken(flatbuffer, images):
        raise ModelError("The quantiser broken refuses this model: so it is.")

    monkeypatch.setitem(BACKENDS, "converter", broken)
    with pytest.raises(ModelError, match=r"broken refuses this model"):
        quantize(
            model,
            "int8",
            training_images,
            path=tmp_path / "m.tflite",
            backend="converter",
        )
    assert list(tmp_path.iterdir()) == []
