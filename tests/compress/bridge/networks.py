"""Small networks for the tests of the bridge, with BatchNorm statistics in use."""

import numpy as np


def settled(model, seed=0):
    """The model, after its BatchNorm statistics were drawn as training leaves them."""
    import keras

    random = np.random.default_rng(seed)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(random.normal(0, 0.1, shape))
            layer.moving_variance.assign(random.uniform(0.5, 1.5, shape))
            if layer.center:
                layer.beta.assign(random.normal(0, 0.1, shape))
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
