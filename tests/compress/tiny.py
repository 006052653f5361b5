"""Tiny models and images for the tests of this room."""

import numpy as np


def small_classifier(channels=3, classes=4, end=None, name="student"):
    """A convolutional classifier of 32-pixel images, with BatchNorm in use."""
    import keras

    keras.utils.set_random_seed(7)
    inputs = keras.Input((32, 32, channels), name="images")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    for filters in (8, 16):
        x = keras.layers.SeparableConv2D(filters, 3, strides=2, padding="same")(x)
        x = keras.layers.BatchNormalization(momentum=0.5)(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(x))
    x = keras.layers.Dense(64, activation="relu")(x)
    outputs = keras.layers.Dense(classes, activation=end, name="logits")(x)
    model = keras.Model(inputs, outputs, name=name)
    # BatchNorm statistics that are real, and logits of the size that training gives.
    model(pixels(16, channels), training=True)
    head = model.get_layer("logits")
    head.set_weights([30 * head.get_weights()[0], head.get_weights()[1] + 0.5])
    return model


def pixels(count, channels=3, seed=0, size=32):
    """Raw random pixels in 0..255, float32."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, size, size, channels))
    return images.astype(np.float32)
