from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerakd.errors import DataError, ModelError, RecipeError
from kerakd.explain import (
    explain,
    explain_many,
    gradcam,
    gradcam_plus_plus,
    layercam,
    reference,
    scorecam,
)
from kerakd.explain.resizing import normalise
from tests.explain import tiny

GRADIENT = ("gradcam", "gradcam_plus_plus", "layercam")


@pytest.mark.parametrize("method", [*GRADIENT, "saliency"])
def test_compiled_maps_are_those_of_tf_keras_vis(flat, method):
    images = tiny.pictures()
    ours = explain(flat, images, method, classes=[0, 1, 2])
    theirs = reference(flat, images, method, classes=[0, 1, 2])
    assert theirs.max() > 0.99  # they say something
    np.testing.assert_allclose(normalise(ours.raw), theirs, atol=1e-5)


def test_scorecam_is_that_of_tf_keras_vis_where_no_map_has_to_be_enlarged():
    keras.utils.set_random_seed(3)
    image = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(5, 3, padding="same", activation="relu", name="c")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(3)(x))
    images = tiny.pictures(size=12) / 50
    ours = scorecam(model, images, 1, channels=None)
    np.testing.assert_allclose(
        normalise(ours.raw), reference(model, images, "scorecam", 1), atol=1e-5
    )


@pytest.mark.parametrize("make", [tiny.nested, tiny.sequential])
def test_nested_and_sequential_models_give_the_flat_ones_maps(flat, make):
    images, other = tiny.pictures(), make()
    wanted = explain_many(flat, images, GRADIENT)
    found = explain_many(other, images, GRADIENT)
    for method in GRADIENT:
        assert found[method].layer == "out"
        np.testing.assert_allclose(found[method].raw, wanted[method].raw, atol=1e-5)
    # The library itself, on a flattened clone.
    np.testing.assert_allclose(
        normalise(found["gradcam"].raw), reference(other, images, "gradcam"), atol=1e-5
    )


def test_maps_follow_the_weights_of_the_model():
    model, images = tiny.flat(), tiny.pictures(1)
    before = gradcam(model, images, 0).raw
    head = model.get_layer("logits")
    head.set_weights([-w for w in head.get_weights()])
    assert not np.allclose(before, gradcam(model, images, 0).raw)


def test_large_logits_give_no_nan_and_the_same_map(flat):
    images = tiny.pictures()
    wanted = gradcam_plus_plus(flat, images, 1).maps
    large = tiny.flat(gain=3.0)
    head = large.get_layer("logits")
    head.set_weights([head.get_weights()[0], head.get_weights()[1] + 500])
    found = gradcam_plus_plus(large, images, 1)
    assert found.scores.min() > 400
    np.testing.assert_allclose(found.maps, wanted, atol=1e-5)
    assert np.isnan(reference(large, images, "gradcam_plus_plus", 1)).any()


def test_one_logit_stands_for_two_classes():
    model, images = tiny.flat(units=1), tiny.pictures()
    z = model.predict(images, verbose=0)[:, 0]
    for one, sign in ((1, 1), (0, -1)):
        found = gradcam(model, images, one)
        np.testing.assert_allclose(found.scores, sign * z, rtol=1e-4)
        np.testing.assert_allclose(
            normalise(found.raw), reference(model, images, "gradcam", one), atol=1e-5
        )
    np.testing.assert_array_equal(gradcam(model, images).classes, z > 0)
    saliency = explain(model, images, "saliency", 1).raw
    np.testing.assert_allclose(saliency, explain(model, images, "saliency", 0).raw)


def test_a_batch_of_grad_cams_is_a_single_forward_pass(flat):
    from kerakd.explain.cams import _compile
    from kerakd.explain.network import network_of

    asked = _compile(network_of(flat)).get_concrete_function()
    # What runs is what the outputs need; the rest is pruned.
    graph = tf.compat.v1.graph_util.extract_sub_graph(
        asked.graph.as_graph_def(), [x.op.name for x in asked.outputs]
    )
    kinds = Counter(node.op for node in graph.node)
    # The convolution, and both parts of the separable one; no gradient of any.
    assert kinds["Conv2D"] + kinds["DepthwiseConv2dNative"] == 3
    assert not [kind for kind in kinds if "Backprop" in kind]


def test_a_map_does_not_depend_on_the_rest_of_the_batch(flat):
    images = tiny.pictures(5)
    for method, options in (
        ("gradcam", {}),
        ("scorecam", {"channels": 3}),
        ("smoothgrad", {"samples": 2}),
    ):
        whole = explain(flat, images, method, 1, **options)
        alone = explain(flat, images[3:4], method, 1, **options)
        np.testing.assert_allclose(alone.raw[0], whole.raw[3], rtol=2e-3, atol=1e-6)
        parts = explain(flat, images, method, 1, batch_size=2, **options)
        np.testing.assert_allclose(parts.raw, whole.raw, rtol=2e-3, atol=1e-6)


def test_the_classes_asked_about_by_default_are_those_the_network_gives(flat):
    images = tiny.pictures()
    said = flat.predict(images, verbose=0).argmax(-1)
    found = layercam(flat, images)
    np.testing.assert_array_equal(found.classes, said)
    np.testing.assert_array_equal(found.raw, layercam(flat, images, said).raw)
    assert np.asarray(found).shape == images.shape[:3] == found.maps.shape


def test_a_network_of_pixels_is_asked_about_a_class_and_a_region(unet):
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    region = np.zeros((2, 32, 32), np.float32)
    region[:, 4:12, 4:12] = 1
    found = explain_many(unet, images, ("gradcam", "scorecam"), 1, region=region)
    logits = unet.predict(images, verbose=0)[..., 1]
    wanted = logits[:, 4:12, 4:12].mean((1, 2))
    np.testing.assert_allclose(found["gradcam"].scores, wanted, rtol=1e-4, atol=1e-6)
    assert found["gradcam"].layer == "bottleneck"
    assert found["gradcam"].raw.shape == (2, 16, 16)
    assert found["scorecam"].maps.shape == (2, 32, 32)
    everywhere = np.ones((32, 32))
    ours = gradcam(unet, images, 1, region=everywhere, layer="decoder_1")
    theirs = reference(unet, images, "gradcam", 1, layer="decoder_1", region=everywhere)
    np.testing.assert_allclose(normalise(ours.raw), theirs, atol=1e-5)
    # By default the region is what the network gives to the class.
    said = unet.predict(images, verbose=0).argmax(-1) == 1
    if said.any(axis=(1, 2)).all():
        wanted = gradcam(unet, images, 1, region=said)
        np.testing.assert_allclose(gradcam(unet, images, 1).raw, wanted.raw, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda m, x: gradcam(m, x, 3), DataError, "classes 0 to 2 apart; got class 3"),
        (lambda m, x: gradcam(m, x, [0, 1]), DataError, "There are 3 pictures"),
        (lambda m, x: gradcam(m, x[0]), DataError, "shape \\(batch, height"),
        (lambda m, x: gradcam(m, x[:0]), DataError, "batch is empty"),
        (lambda m, x: gradcam(m, x, layer="pool"), ModelError, "which is no map"),
        (lambda m, x: gradcam(m, x, layer="lost"), ModelError, "Did you mean 'last'"),
        (lambda m, x: gradcam(m, x, region=x[..., 0]), DataError, "one for each pict"),
        (lambda m, x: explain(m, x, "grad-cam"), RecipeError, "Did you mean 'gradcam'"),
        (lambda m, x: explain(m, x, "gradcam", samples=3), RecipeError, "no options"),
        (lambda m, x: explain(m, x, "smoothgrad", steps=3), RecipeError, "'steps'"),
        (lambda m, x: explain(m, x, "attention_rollout"), ModelError, "for DeiT"),
        (lambda m, x: explain(m, x, batch_size=0), RecipeError, "at least 1, not 0"),
        (lambda m, x: explain([], x), ModelError, "no model in the list"),
        (lambda m, x: reference(m, x, "rise"), RecipeError, "no method 'rise'"),
    ],
)
def test_what_cannot_be_explained_is_said(flat, call, error, told):
    with pytest.raises(error, match=told):
        call(flat, tiny.pictures())


def test_models_that_cannot_be_explained_are_refused():
    image = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(image)
    softmax = keras.Model(image, keras.layers.Dense(2, activation="softmax")(x))
    with pytest.raises(ModelError, match="with_logits"):
        gradcam(softmax, tiny.pictures(size=8))
    linear = keras.Model(image, keras.layers.Dense(2)(x))
    with pytest.raises(ModelError, match="no feature map"):
        gradcam(linear, tiny.pictures(size=8))

    class Hidden(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ModelError, match="subclassed"):
        gradcam(Hidden(), tiny.pictures(size=8))
