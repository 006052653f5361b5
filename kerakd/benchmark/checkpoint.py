"""What a checkpoint costs of an epoch: `kerakd benchmark checkpoint`."""

import tempfile
import time
from typing import Any
from unittest import mock

import keras
import numpy as np

from kerakd import models
from kerakd.training import checkpoint, train_student


def benchmark_checkpoint(
    image_size: int = 128,
    images: int = 5_700,
    batch_size: int = 32,
    epochs: int = 3,
    steps: int = 12,
    student: str = "mobilenet_v2",
    **options: Any,
) -> dict[str, Any]:
    """Time the writing of checkpoints within a training.

    An epoch of a few steps is trained and its time scaled to one of `images` images.

    Args:
        image_size: Height and width in pixels.
        images: Images of the epoch that the cost is told of: the Kaggle MRI set has
            about so many.
        batch_size: Images in a step.
        epochs: Epochs, each with one checkpoint; the first is not counted.
        steps: Steps that are really trained in an epoch.
        student: A name of `kerakd.models.build`.
        **options: Of the student; `alpha=0.35` for a `mobilenet_v2` where left out.

    Returns:
        A JSON-able dict: `checkpoint_seconds` and `epoch_seconds` (medians),
        `checkpoint_megabytes`, `share` of the epoch, `bar`.
    """
    if student == "mobilenet_v2" and not options:
        options = {"alpha": 0.35}
    shape = (image_size, image_size, 3)
    model = models.build(student, 4, shape, **options)
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (steps * batch_size, *shape)).astype("float32")
    y = random.integers(0, 4, len(x))
    saving, sizes = [], []
    write = checkpoint.write

    def timed(folder, position, arrays):
        start = time.perf_counter()
        write(folder, position, arrays)
        saving.append(time.perf_counter() - start)
        sizes.append(sum(array.nbytes for array in arrays.values()))

    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter())
    )
    with (
        tempfile.TemporaryDirectory() as out,
        mock.patch.object(checkpoint, "write", timed),
    ):
        train_student(
            model, (x, y), epochs=epochs, batch_size=batch_size, out=out, verbose=0,
            callbacks=[clock],
        )  # fmt: skip
    each = np.diff(np.array(ends).reshape(epochs, steps), axis=1)[1:]
    epoch = float(np.median(each)) * -(-images // batch_size)
    cost = float(np.median(saving[1:-1] or saving))
    return {
        "image_size": image_size,
        "batch_size": batch_size,
        "student": student,
        "images_of_an_epoch": images,
        "checkpoint_megabytes": round(max(sizes) / 1e6, 2),
        "checkpoint_seconds": round(cost, 4),
        "epoch_seconds": round(epoch, 2),
        "share": round(cost / epoch, 5),
        "bar": 0.02,
    }
