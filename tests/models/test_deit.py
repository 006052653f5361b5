import keras_hub
import numpy as np
import pytest

from kerakd.errors import ModelError
from kerakd.models import build, taps

from .conftest import CLASSES, SMALL

OPTIONS = {k: v for k, v in SMALL["deit_small"].items() if k != "input_shape"}


def backbone(side=32):
    model = keras_hub.models.DeiTBackbone(
        image_shape=(side, side, 3), patch_size=16, **OPTIONS
    )
    # Drawn values, since tokens and biases begin with zeros.
    generator = np.random.default_rng(4)
    model.set_weights([generator.normal(0, 0.1, w.shape) for w in model.get_weights()])
    return model


def normalized(pictures):
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    return ((pictures / 255.0 - mean) / deviation).astype("float32")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    model = backbone()
    path = tmp_path_factory.mktemp("deit") / "model.weights.h5"
    model.save_weights(path)
    return model, path


def test_gives_the_tokens_that_keras_hub_gives(published, pictures):
    reference, path = published
    with pytest.warns(UserWarning, match="class_logits, distillation_logits of"):
        model = build("deit_small", CLASSES, (32, 32, 3), weights=path, **OPTIONS)
    x = pictures((32, 32, 3))
    tokens = taps(model, ["final_norm"])(x)["final_norm"]
    np.testing.assert_allclose(tokens, reference(normalized(x)), atol=2e-5)


def test_the_answer_is_the_mean_of_both_heads(classifiers, pictures):
    model = classifiers("deit_small")
    names = ["class_logits", "distillation_logits", "final_norm", "logits"]
    out = taps(model, names)(pictures(model.input_shape[1:]))
    mean = (out["class_logits"] + out["distillation_logits"]) / 2
    np.testing.assert_allclose(out["logits"], mean, rtol=1e-6)
    for position, token in enumerate(("class", "distillation")):
        kernel, bias = model.get_layer(f"{token}_logits").get_weights()
        expected = out["final_norm"][:, position] @ kernel + bias
        np.testing.assert_allclose(out[f"{token}_logits"], expected, atol=1e-5)


def test_every_block_can_be_tapped(classifiers):
    shapes = taps(classifiers("deit_small"), ["block1", "block2"]).output
    assert {x.shape for x in shapes.values()} == {(None, 2 + 2 * 3, 24)}


def test_own_files_come_back_and_positions_fit_other_pictures(
    classifiers, tmp_path, pictures
):
    saved = build("deit_small", CLASSES, (64, 64, 3), **OPTIONS)
    embedding = saved.get_layer("patches_and_tokens")
    ramp = np.tile(np.arange(4.0), 4)  # grows from left to right
    positions = np.zeros((1, 18, 24), "float32")
    positions[:, 2:] = ramp[None, :, None]
    positions[:, :2] = -7
    embedding.position_embedding.assign(positions)
    path = tmp_path / "deit.weights.h5"
    saved.save_weights(path)

    same = build("deit_small", CLASSES, (64, 64, 3), weights=path, **OPTIONS)
    for ours, theirs in zip(same.weights, saved.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)

    wide = build("deit_small", CLASSES, (32, 96, 3), weights=path, **OPTIONS)
    new = np.asarray(wide.get_layer("patches_and_tokens").position_embedding)
    assert (new[:, :2] == -7).all()
    grid = new[0, 2:, 0].reshape(2, 6)
    np.testing.assert_allclose(grid[0], grid[1], atol=1e-5)
    assert (np.diff(grid[0]) > 0).all()
    x = pictures((32, 96, 3))
    assert np.isfinite(wide(x)).all()


def test_a_keras_hub_file_of_another_depth_is_refused(published):
    deeper = {**OPTIONS, "num_layers": 3}
    with pytest.raises(ModelError, match="other options"):
        build("deit_small", CLASSES, (32, 32, 3), weights=published[1], **deeper)


def test_imagenet_weights_that_are_not_there_are_named_and_found_once_they_are(
    offline,
):
    arguments = ("deit_small", CLASSES, (32, 32, 3), "imagenet")
    with pytest.raises(ModelError) as caught:
        build(*arguments, **OPTIONS)
    folder = offline / "deit_small_distilled_patch16_224_imagenet"
    assert str(folder) in str(caught.value)
    assert "model.weights.h5" in str(caught.value)

    reference = backbone()
    reference.save_to_preset(str(folder))
    with pytest.warns(UserWarning, match="stays new"):
        model = build(*arguments, **OPTIONS)
    np.testing.assert_array_equal(
        model.get_layer("block2").get_weights()[0],
        reference.get_layer("deit_encoder").encoder_layers[1].get_weights()[0],
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (40, 32, 3)}, "multiple of the patch size 16"),
        ({"hidden_dim": 25}, "multiple of `num_heads`"),
        ({"num_layers": 0}, "`num_layers`"),
        ({"attention_dropout": 1.0}, "`attention_dropout`"),
    ],
)
def test_out_of_range_is_refused(arguments, message):
    given = {"input_shape": (32, 32, 3), **OPTIONS, **arguments}
    with pytest.raises(ModelError, match=message):
        build("deit_small", CLASSES, **given)
