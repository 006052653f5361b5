"""Tiny models and data for the Distiller's tests."""

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


def assert_same_weights(a, b):
    a, b = weights_of(a), weights_of(b)
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)
