"""What `explain` makes of names, ensembles and sizes."""

import inspect

import numpy as np
import pytest

from kerakd import explain as room
from kerakd.errors import ModelError
from kerakd.explain.asking import opinion
from kerakd.explain.resizing import normalise
from tests.explain import tiny


def test_every_method_has_a_function_of_its_name_and_a_title():
    from kerakd.explain.names import TITLES

    assert set(TITLES) == set(room.METHODS)
    for method in room.METHODS:
        function = getattr(room, method)
        assert inspect.isfunction(function)
        assert "arXiv" in function.__doc__ or "IEEE" in function.__doc__


def test_the_methods_that_suit(flat, unet, deit):
    gradients = ["saliency", "smoothgrad", "integrated_gradients"]
    cams = ["gradcam", "gradcam_plus_plus", "layercam", "scorecam"]
    assert room.methods_for(flat) == cams + gradients == room.methods_for(unet)
    assert room.methods_for(deit) == [*cams, *gradients, "attention_rollout"]
    assert room.methods_for([flat, deit]) == cams + gradients
    import keras

    image = keras.Input((8, 8, 3))
    linear = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    assert room.methods_for(linear) == gradients


def test_an_ensemble_is_the_mean_of_maps_and_opinions(flat):
    other, images = tiny.flat(gain=6.0), tiny.pictures()
    other.get_layer("logits").set_weights(
        [w[..., ::-1] for w in other.get_layer("logits").get_weights()]
    )
    found = room.gradcam([flat, other], images, 1)
    each = [room.gradcam(one, images, 1) for one in (flat, other)]
    wanted = np.mean([normalise(one.raw) for one in each], axis=0)
    np.testing.assert_allclose(found.raw, wanted, atol=1e-6)
    np.testing.assert_allclose(
        found.scores, (each[0].scores + each[1].scores) / 2, rtol=1e-5
    )
    # The class is that of the mean probability.
    logits = [one.predict(images, verbose=0) for one in (flat, other)]
    soft = [np.exp(z) / np.exp(z).sum(-1, keepdims=True) for z in logits]
    np.testing.assert_allclose(opinion([flat, other], images), sum(soft) / 2, rtol=1e-4)
    np.testing.assert_array_equal(
        room.gradcam([flat, other], images).classes, sum(soft).argmax(-1)
    )
    one = room.integrated_gradients([flat, other], images[:1])
    assert one.details["completeness_error"].shape == (1,)


def test_pictures_of_another_size_or_grey_get_maps_of_their_own_size(flat):
    grey = tiny.pictures(2, channels=1, size=48)
    found = room.explain(flat, grey, "saliency", 1)
    assert found.raw.shape == (2, 24, 24)
    assert found.maps.shape == (2, 48, 48)
    assert found.at((10, 12)).shape == (2, 10, 12)
    assert found.maps.min() >= 0 and found.maps.max() <= 1


def test_a_distiller_is_explained_by_its_student(flat):
    class Holder:
        student = flat

    images = tiny.pictures(1)
    np.testing.assert_array_equal(
        room.gradcam(Holder(), images).raw, room.gradcam(flat, images).raw
    )
    with pytest.raises(ModelError, match="Expected a keras"):
        room.rise(3, images)
