import keras
import numpy as np
import pytest


@pytest.fixture
def net():
    """Builds a small network with all that has state: BatchNorm, dropout, biases."""

    def build(classes=3, filters=4, seed=0, shape=(8, 8, 1)):
        keras.utils.set_random_seed(seed)
        inputs = keras.Input(shape)
        x = keras.layers.Rescaling(1 / 255)(inputs)
        x = keras.layers.Conv2D(filters, 3)(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        x = keras.layers.Dropout(0.3)(x)
        return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x))

    return build


@pytest.fixture
def arrays():
    """Pictures of three classes that differ in brightness, and their labels."""
    generator = np.random.default_rng(0)
    labels = np.arange(22) % 3
    noise = generator.normal(0, 20, (22, 8, 8, 1))
    return (noise + 60 * (labels[:, None, None, None] + 1)).astype("float32"), labels


@pytest.fixture
def same():
    """Whether two models hold the same bits, random states included."""

    def compare(one, other):
        pairs = zip(one.variables, other.variables, strict=True)
        return all(
            np.array_equal(np.asarray(a.value), np.asarray(b.value)) for a, b in pairs
        )

    return compare
