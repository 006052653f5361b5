"""How long a Keras model takes for one image on the CPU."""

import time

import keras
import numpy as np

from kerakd.distillation.cache.forward import compiled
from kerakd.distillation.taps import TappedModel

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
        Milliseconds. All cores that the backend uses take part.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (1, *model.input_shape[1:]))
    with keras.device("cpu:0"):
        image = keras.ops.convert_to_tensor(pixels, "float32")
        forward = compiled(TappedModel(model, (), "model"))
        for _ in range(_WARM_UP):
            forward(image)
        times = []
        begin = time.perf_counter()
        while len(times) < runs and (
            len(times) < 5 or time.perf_counter() - begin < seconds
        ):
            start = time.perf_counter()
            keras.ops.convert_to_numpy(forward(image)[0])
            times.append(time.perf_counter() - start)
    return float(np.median(times) * 1000)
