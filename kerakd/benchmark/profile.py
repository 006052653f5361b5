"""What a step of the student spends its time on: `kerakd benchmark profile`."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerakd.benchmark import timing
from kerakd.benchmark.step import Pair, in_fused_mode

_FUSED = "adam, fused"
# Starts of each kind that are timed, which take seconds each.
_STARTS = 3
# Operations that are named; the others are one row.
_NAMED = 14
# What runs the operations, which is written like one.
_AROUND = {"Process", "Run"}


def benchmark_profile(
    image_size: int = 128,
    batch_size: int = 32,
    repeats: int = 7,
    student: str = "mobilenet_v3_small",
    xla: bool = False,
) -> dict[str, Any]:
    """Time the parts of a training step, and ways to make it shorter.

    Args:
        image_size: Height and width in pixels.
        batch_size: Images in a step.
        repeats: Blocks of four steps of each kind.
        student: A name of `kerakd.models.build`.
        xla: Whether to time a step that XLA compiles, which takes minutes to compile.

    Returns:
        A JSON-able dict: `steps` (milliseconds by kind: `forward`, `gradients`, which
        include it, and whole steps with `sgd`, `adam`, `adam, fused` (as in
        `kerakd.train_student`), `adam, 4 steps in one call` and `adam, XLA`), `starts`
        (milliseconds until a new model's first step is over, `adam` and fused),
        `ratios` of both to Adam's, `operations` (processor milliseconds a step of each
        kind of operation, `adam` and fused), the arguments and the machine.
    """
    count = 4
    pair = Pair(image_size, batch_size, "plain_cnn", student)
    blocks = {
        "forward": _repeated(_forward(pair), count),
        "gradients": _repeated(_gradients(pair), count),
        "sgd": pair.block(pair.new_student(), count, optimizer=_sgd()),
        "adam": pair.block(pair.new_student(), count),
        _FUSED: in_fused_mode(pair.block(pair.new_student(), count)),
        "adam, 4 steps in one call": pair.block(
            pair.new_student(), 1, steps_per_execution=count
        ),
    }
    if xla:
        blocks["adam, XLA"] = pair.block(pair.new_student(), count, jit_compile=True)
    machine = timing.machine()
    times = timing.interleave(blocks, repeats)
    starts = _starts(pair, min(repeats, _STARTS))
    return {
        "image_size": image_size,
        "batch_size": batch_size,
        "repeats": repeats,
        "student": student,
        **machine,
        "steps": {name: timing.milliseconds(t, count) for name, t in times.items()},
        "starts": {name: timing.milliseconds(t, 1) for name, t in starts.items()},
        "operations": {
            name: operations(blocks[name], count) for name in ("adam", _FUSED)
        },
        "ratios": {
            f"{name} / adam": {**timing.ratio(times, name, "adam"), "bar": None}
            for name in times
            if name != "adam"
        }
        | {
            "first step, fused / first step": {
                **timing.ratio(starts, _FUSED, "adam"),
                "bar": None,
            }
        },
    }


def operations(block: Callable[[], Any], count: int) -> dict[str, float]:
    """Processor milliseconds that a step spends in each kind of operation.

    Args:
        block: Runs some steps; it has run before.
        count: How many.

    Returns:
        The longest ones, longest first, and `"others"`.
    """
    # A part of TensorFlow: its profiler has no other reader on a machine of its own.
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        block()
        tf.profiler.experimental.stop()
        (file,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(file.read_bytes())
    found: Counter = Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                # What the executor runs is written "name:kind of operation".
                kind = name.rsplit(":", 1)[-1]
                if ":" in name and kind not in _AROUND and "__inference" not in kind:
                    found[kind] += event.duration_ps / 1e9 / count
    rows = found.most_common()
    named = {name.removeprefix("_MklNative"): spent for name, spent in rows[:_NAMED]}
    return {**named, "others": sum(spent for _, spent in rows[_NAMED:])}


def _starts(pair: Pair, repeats: int) -> dict[str, np.ndarray]:
    """Seconds (clock, processor) until a new model's first step is over."""
    kinds = {"adam": lambda block: block, _FUSED: in_fused_mode}
    taken: dict[str, list] = {name: [] for name in kinds}
    for _ in range(repeats):
        for name, mode in kinds.items():
            model = pair.new_student()
            block = mode(pair.block(model, 1))
            model.optimizer.build(model.trainable_variables)
            start = time.perf_counter(), time.process_time()
            block()
            end = time.perf_counter(), time.process_time()
            taken[name].append(np.subtract(end, start))
    return {name: np.array(seconds) for name, seconds in taken.items()}


def _sgd() -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(1e-3)


def _forward(pair: Pair) -> Callable[[], Any]:
    model = pair.new_student()
    return tf.function(
        lambda: tf.reduce_sum(model(pair.x, training=True)), autograph=False
    )


def _gradients(pair: Pair) -> Callable[[], Any]:
    model = pair.new_student()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def step():
        with tf.GradientTape() as tape:
            value = loss(pair.y, model(pair.x, training=True))
        gradients = tape.gradient(value, model.trainable_weights)
        # One number that needs all of them, so that none is left out.
        return tf.add_n([tf.reduce_sum(one) for one in gradients])

    return tf.function(step, autograph=False)


def _repeated(function: Callable[[], Any], count: int) -> Callable[[], None]:
    def run():
        for _ in range(count):
            found = function()
        float(found)

    return run
