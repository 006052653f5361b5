"""Tiny networks and pictures for the tests of this room."""

import numpy as np

SIZE = 24
CLASSES = 3


def pictures(count=3, channels=3, size=SIZE, seed=0):
    """Raw pixels 0..255, float32: a bright blob on noise, elsewhere in each."""
    generator = np.random.default_rng(seed)
    found = generator.uniform(0, 60, (count, size, size, channels))
    for k in range(count):
        top, left = generator.integers(0, max(1, size - 10), 2)
        found[k, top : top + 8, left : left + 8] += 150
    return found.astype(np.float32)


def backbone(channels=3, name="backbone"):
    import keras

    image = keras.Input((SIZE, SIZE, channels))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same", name="first")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.SeparableConv2D(8, 3, strides=2, padding="same", name="last")(x)
    x = keras.layers.ReLU(name="out")(x)
    return keras.Model(image, x, name=name)


def flat(units=CLASSES, gain=3.0):
    """A classifier with real BatchNorm statistics and logits of some size."""
    import keras

    keras.utils.set_random_seed(1)
    base = backbone()
    x = keras.layers.GlobalAveragePooling2D(name="pool")(base.output)
    model = keras.Model(base.input, keras.layers.Dense(units, name="logits")(x))
    model(pictures(8, seed=5), training=True)
    head = model.get_layer("logits")
    head.set_weights([gain * w for w in head.get_weights()])
    return model


def nested():
    """The same function as `flat`, with its backbone as a model inside."""
    import keras

    base, whole = backbone(), flat()
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.GlobalAveragePooling2D()(base(image))
    model = keras.Model(image, keras.layers.Dense(CLASSES, name="logits")(x))
    model.set_weights(whole.get_weights())
    return model


def sequential():
    """The same function, as a Sequential model."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            backbone(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(CLASSES, name="logits"),
        ]
    )
    model.set_weights(flat().get_weights())
    return model


def seeing(row, column, gain=1 / 16, bias=4.0):
    """A network that looks at one of 4x4 cells and nowhere else: known truth.

    The logit of class 1 is the cell's mean times `gain`, that of class 0 is `bias`.
    """
    import keras

    image = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.Conv2D(1, 1, use_bias=False, name="eye")(image)
    x = keras.layers.AveragePooling2D(6)(x)
    model = keras.Model(
        image, keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(x))
    )
    weights = np.zeros((16, 2), np.float32)
    weights[4 * row + column, 1] = gain
    model.get_layer("eye").set_weights([np.ones((1, 1, 1, 1), np.float32)])
    model.get_layer("logits").set_weights([weights, np.float32([bias, 0])])
    return model
