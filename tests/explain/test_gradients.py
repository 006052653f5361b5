import keras
import numpy as np
import pytest
import tensorflow as tf

from kerakd.errors import DataError, RecipeError
from kerakd.explain import integrated_gradients, saliency, smoothgrad
from tests.explain import tiny


def test_integrated_gradients_sum_to_the_rise_of_the_score(flat):
    images = tiny.pictures(6)
    found = integrated_gradients(flat, images, [0, 1, 2, 0, 1, 2])
    z = flat.predict(images, verbose=0)
    start = flat.predict(np.zeros_like(images[:1]), verbose=0)[0]
    rise = (z - start)[np.arange(6), found.classes]
    total = found.details["attributions"].sum(axis=(1, 2, 3))
    np.testing.assert_allclose(
        found.details["delta"], np.abs(total - rise), atol=2e-4 * np.abs(rise).max()
    )
    error = found.details["completeness_error"]
    assert np.median(error) < 0.005
    np.testing.assert_allclose(np.abs(total - rise) / np.abs(rise), error, atol=1e-3)


def test_integrated_gradients_of_a_linear_network_are_known():
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    weights = np.arange(32, dtype=np.float32).reshape(16, 2) - 16
    model.layers[-1].set_weights([weights, np.float32([1, 2])])
    x = tiny.pictures(2, 1)[:, :4, :4]
    found = integrated_gradients(model, x, 1, baseline=3.0)
    wanted = (x - 3) * weights[:, 1].reshape(1, 4, 4, 1)
    np.testing.assert_allclose(found.details["attributions"], wanted, rtol=1e-4)
    np.testing.assert_allclose(found.raw, np.abs(wanted[..., 0]), rtol=1e-4)
    assert (found.details["steps"] == 16).all()


def test_more_steps_go_where_the_path_is_rough():
    image = keras.Input((4, 4, 1))
    x = keras.layers.Flatten()(image)
    # The score leaps between 0.02 and 0.021 of the way: 16 even steps miss it.
    x = keras.layers.Dense(1, activation="sigmoid", name="leap")(x)
    model = keras.Model(image, keras.layers.Dense(2, name="logits")(x))
    model.get_layer("leap").set_weights(
        [np.full((16, 1), 4 / 16, np.float32), np.float32([-20])]
    )
    model.get_layer("logits").set_weights([np.float32([[0, 5]]), np.zeros(2, "f4")])
    picture = np.full((1, 4, 4, 1), 250, np.float32)
    even = integrated_gradients(model, picture, 1, steps=16, most_steps=16)
    found = integrated_gradients(model, picture, 1)
    assert even.details["completeness_error"][0] > 0.1
    assert found.details["completeness_error"][0] < 0.005
    assert found.details["steps"][0] < 150


def test_smoothgrad_is_the_mean_of_saliencies(flat):
    images = tiny.pictures(2)
    plain = saliency(flat, images, 1)
    # Noise of nothing leaves the saliency.
    calm = smoothgrad(flat, images, 1, samples=3, noise=0.0)
    np.testing.assert_allclose(calm.raw, plain.raw, rtol=1e-5)
    generator = np.random.Generator(np.random.Philox(7))
    drawn = [generator.standard_normal(images.shape[1:], np.float32) for _ in range(2)]
    spread = 0.1 * np.ptp(images, axis=(1, 2, 3), keepdims=True)
    noisy = [images + spread * one for one in drawn]
    total = 0
    for x in noisy:
        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = flat(x, training=False)[:, 1]
        total = total + np.abs(tape.gradient(score, x).numpy())
    found = smoothgrad(flat, images, 1, samples=2, noise=0.1, seed=7)
    np.testing.assert_allclose(found.raw, (total / 2).max(-1), rtol=1e-4, atol=1e-9)


def test_gradients_of_pixels_and_tokens(unet, deit):
    x = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
    found = integrated_gradients(unet, x, 1)
    assert found.details["completeness_error"][0] < 0.005
    x = tiny.pictures(1, size=48)[:, :32]
    found = integrated_gradients(deit, x)
    assert found.details["completeness_error"][0] < 0.005
    assert found.maps.shape == (1, 32, 48)


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"steps": 1}, RecipeError, "at least 2 steps"),
        ({"tolerance": 0}, RecipeError, "tolerance above 0"),
        ({"baseline": np.zeros((3, 3, 3))}, DataError, "baseline has the shape"),
    ],
)
def test_wrong_options_are_said(flat, options, error, told):
    with pytest.raises(error, match=told):
        integrated_gradients(flat, tiny.pictures(1), **options)
    with pytest.raises(RecipeError, match="at least 1 sample"):
        smoothgrad(flat, tiny.pictures(1), samples=0)
