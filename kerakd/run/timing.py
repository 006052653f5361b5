"""How long a Keras model takes for one image on the CPU."""

import time

import keras
import numpy as np

_WARM_UP = 3


def milliseconds_per_image(
    model: keras.Model, runs: int = 30, seconds: float = 3.0
) -> float:
    """The median time from one image to its logits, batch 1, on the CPU.

    Args:
        model: With one image input of a fixed size.
        runs: Measured calls at most.
        seconds: No further call is begun after this time; five are made at least.

    Returns:
        Milliseconds. All cores that TensorFlow uses take part.
    """
    import tensorflow as tf

    pixels = np.random.default_rng(0).integers(0, 256, (1, *model.input_shape[1:]))
    with tf.device("/CPU:0"):
        image = tf.constant(pixels, tf.float32)
        forward = tf.function(lambda x: model(x, training=False), autograph=False)
        for _ in range(_WARM_UP):
            forward(image)
        times = []
        begin = time.perf_counter()
        while len(times) < runs and (
            len(times) < 5 or time.perf_counter() - begin < seconds
        ):
            start = time.perf_counter()
            forward(image).numpy()
            times.append(time.perf_counter() - start)
    return float(np.median(times) * 1000)
