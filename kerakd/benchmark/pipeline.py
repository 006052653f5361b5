"""Does the input pipeline starve the student? `kerakd benchmark pipeline`."""

import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from PIL import Image

from kerakd.data.pipeline import ImageBatches
from kerakd.data.samples import Samples
from kerakd.errors import RecipeError

# What training may cost more than from one tensor in memory.
_BARS = {"flip": 1.03, "full": 1.15}
_BASELINE = "one tensor"
# Steps before the clock runs in a block: more than the pipeline holds ready, so that
# every batch that is timed is also made while the clock runs.
_UNTIMED = 4
# Seconds for a pipeline to fill up and fall silent before another source is timed.
_SETTLE = 0.3


def benchmark_pipeline(
    image_size: int = 128,
    batch_size: int = 32,
    steps: int = 8,
    repeats: int = 10,
    samples: Samples | None = None,
) -> dict[str, Any]:
    """Time training from the pipeline against training from one tensor in memory.

    The student is MobileNetV2 with alpha 0.35. Short blocks of steps take turns, and a
    block from the pipeline is compared with the blocks from one tensor just before and
    after it, so that what else the machine does falls on both alike.

    Args:
        image_size: Height and width in pixels.
        batch_size: Images in a batch.
        steps: Timed steps in a block.
        repeats: Blocks of each pipeline.
        samples: The images; noise by default, which costs the same.

    Returns:
        A JSON-able dict: `one_tensor` and `pipelines` (by preset of `Augmentation`:
        `"flip"` and `"full"`), each with `milliseconds_per_step` and
        `processor_milliseconds_per_step` (of all threads), medians of the blocks; a
        pipeline also has `ratio` and `processor_ratio` to one tensor (`median`,
        `lower_quartile` and `upper_quartile` of the blocks), `bar` (the ratio allowed)
        and `pipeline_milliseconds_per_batch` (processor time with no training beside).

    Raises:
        RecipeError: A number is not positive.
    """
    for name, number in (("steps", steps), ("repeats", repeats)):
        if number < 1:
            raise RecipeError(f"{name} must be from 1 on, not {number}.")
    if samples is not None:
        return _benchmark(samples, image_size, batch_size, steps, repeats)
    with tempfile.TemporaryDirectory() as folder:
        samples = _noise(Path(folder), image_size, 8 * batch_size)
        return _benchmark(samples, image_size, batch_size, steps, repeats)


def _benchmark(samples, image_size, batch_size, steps, repeats) -> dict[str, Any]:
    pipelines = {
        name: ImageBatches(
            samples, image_size, batch_size=batch_size, shuffle=True, augment=name
        )
        for name in _BARS
    }
    alone = {name: _alone(made, steps) for name, made in pipelines.items()}

    batches = (repeats + 1) * (_UNTIMED + steps)
    iterators = {
        name: iter(made.dataset(-(-batches // made.steps_per_epoch)))
        for name, made in pipelines.items()
    }
    tensor = next(iter(pipelines["flip"].dataset()))
    iterators[_BASELINE] = iter(tf.data.Dataset.from_tensors(tensor).repeat())

    step = _train_step(image_size, len(samples.class_names))
    for iterator in iterators.values():
        _run(step, iterator, _UNTIMED)
    before = _block(step, iterators[_BASELINE], steps)
    baseline, blocks, ratios = [before], defaultdict(list), defaultdict(list)
    for name in list(pipelines) * repeats:
        block = _block(step, iterators[name], steps)
        after = _block(step, iterators[_BASELINE], steps)
        blocks[name].append(block)
        ratios[name].append(block / ((before + after) / 2))
        baseline.append(after)
        before = after
    return {
        "image_size": image_size,
        "batch_size": batch_size,
        "steps": steps,
        "repeats": repeats,
        "processors": os.cpu_count(),
        "one_tensor": _times(baseline),
        "pipelines": {
            name: {
                **_times(blocks[name]),
                "ratio": _spread(np.array(ratios[name])[:, 0]),
                "processor_ratio": _spread(np.array(ratios[name])[:, 1]),
                "bar": _BARS[name],
                "pipeline_milliseconds_per_batch": round(alone[name], 3),
            }
            for name in pipelines
        },
    }


def _train_step(image_size: int, classes: int) -> Callable[[Iterator], Any]:
    """One step of `fit`, as Keras compiles it."""
    from kerakd import models

    model = models.build(
        "mobilenet_v2", classes, (image_size, image_size, 3), alpha=0.35
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    model.make_train_function()
    return model.train_function


def _run(step: Callable, iterator: Iterator, count: int) -> None:
    for _ in range(count):
        logs = step(iterator)
    # The step is over when its result can be read.
    float(logs["loss"])


def _block(step: Callable, iterator: Iterator, steps: int) -> np.ndarray:
    """Milliseconds per step by the clock, and of all processors; shape `(2,)`."""
    _run(step, iterator, _UNTIMED)
    clock, processor = time.perf_counter(), time.process_time()
    _run(step, iterator, steps)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    time.sleep(_SETTLE)
    return 1e3 * np.array([clock, processor]) / steps


def _alone(batches: ImageBatches, steps: int) -> float:
    """Processor time of making one batch with nothing else to do, in milliseconds."""
    count = 4 * (_UNTIMED + steps)
    iterator = iter(batches.dataset(-(-count // batches.steps_per_epoch)))
    for _ in range(_UNTIMED):
        next(iterator)
    start = time.process_time()
    for _ in range(count - _UNTIMED):
        next(iterator)
    return 1e3 * (time.process_time() - start) / (count - _UNTIMED)


def _times(blocks: list[np.ndarray]) -> dict[str, float]:
    clock, processor = np.median(blocks, axis=0)
    return {
        "milliseconds_per_step": round(float(clock), 2),
        "processor_milliseconds_per_step": round(float(processor), 2),
    }


def _spread(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {
        "median": round(float(middle), 4),
        "lower_quartile": round(float(low), 4),
        "upper_quartile": round(float(high), 4),
    }


def _noise(folder: Path, image_size: int, count: int) -> Samples:
    """Files of noise in four classes."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(count):
        name = f"{number:05d}.png"
        pixels = random.integers(0, 256, (image_size, image_size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name, compress_level=0)
        row = {"id": name, "path": name, "label": f"class_{number % 4}", "group": name}
        row.update(split="train", width=image_size, height=image_size, mode="RGB")
        rows.append(row)
    names = tuple(sorted({row["label"] for row in rows}))
    return Samples(pd.DataFrame(rows), folder, names)
