"""Small networks for the tests of the bridge, with BatchNorm statistics in use."""

import numpy as np


def settled(model, seed=0):
    """The model, with the BatchNorm statistics that it has on random pixels."""
    import keras

    norms = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    if norms:
        model(pixels(model.input_shape[1:], seed, count=8), training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    return model


def pixels(shape, seed=1, count=2):
    """Random pixels in 0..255 of `(height, width, channels)`."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, *shape)).astype(np.float32)


def relative(expected, found):
    """The largest difference over the largest value."""
    expected, found = np.asarray(expected), np.asarray(found)
    return np.abs(expected - found).max() / np.abs(expected).max()


def small_mobilenet(size=32, **options):
    import kerakd

    options = {"alpha": 0.35, "dropout": 0.0} | options
    return settled(kerakd.models.build("mobilenet_v2", 4, (size, size, 3), **options))


def small_mobilenet_v3(size=32, **options):
    import kerakd

    options = {"alpha": 0.35, "dropout": 0.0} | options
    return settled(
        kerakd.models.build("mobilenet_v3_small", 4, (size, size, 3), **options)
    )


def small_unet(name="unet_student", **options):
    import kerakd

    options = {"filters": (8, 16), "dropout": 0.0} | options
    return settled(kerakd.models.build(name, 2, (32, 32, 3), **options))
