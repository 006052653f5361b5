"""Tiny models and data for the Distiller's tests."""

import functools

import keras
import numpy as np


def make_model(
    width, seed, *, size=8, classes=3, name=None, l2=0.0, dropout=0.0, channels=1
):
    """A convolutional classifier with BatchNorm, in milliseconds a step."""
    keras.utils.set_random_seed(seed)
    regularizer = keras.regularizers.L2(l2) if l2 else None
    inputs = keras.Input((size, size, channels))
    # Without bias: BatchNorm takes it out again, and Adam makes noise of its gradient.
    x = keras.layers.Conv2D(
        width,
        3,
        strides=2,
        use_bias=False,
        kernel_regularizer=regularizer,
        name="conv",
    )(inputs)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, seed=seed, name="dropout")(x)
    outputs = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, outputs, name=name)


def make_data(count=24, size=8, classes=3, seed=0, channels=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, size, size, channels)).astype("float32")
    y = rng.integers(0, classes, count).astype("int32")
    return x, y


def crossentropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def weights_of(model):
    return [np.array(w) for w in model.get_weights()]


@functools.cache
def same_in_any_batch():
    """Whether this processor gives a network's outputs the same bits in any batch.

    With AVX512 it does; with AVX2 alone TensorFlow takes other kernels for other
    batches, and outputs differ in the last digit.
    """
    model, (x, _) = make_model(6, 1, size=16), make_data(24, size=16)
    whole = keras.ops.convert_to_numpy(model(x, training=False))
    for size in (1, 2, 5, 8):
        parts = [model(x[i : i + size], training=False) for i in range(0, 24, size)]
        if not np.array_equal(whole, keras.ops.concatenate(parts)):
            return False
    return True


def assert_trained_alike(online, cached):
    """The same bits from a cache as online, where a teacher's logits have them."""
    if same_in_any_batch():
        assert_same_weights(online, cached)
        return
    # A last digit grows to 1e-4 by Adam's steps; another teacher makes 4e-2.
    for one, other in zip(weights_of(online), weights_of(cached), strict=True):
        np.testing.assert_allclose(one, other, rtol=5e-4, atol=5e-4)


def assert_same_weights(a, b):
    a, b = weights_of(a), weights_of(b)
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)
