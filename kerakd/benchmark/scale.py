"""How the work grows with the data: audit, cache, cached training, evaluation.

Every measurement is a process of its own, so that its memory is its own. Pictures are
made up, and lie as 8-bit pixels in one file that is mapped into memory, as those of
`kerakd.data` do beyond the memory budget; decoding image files is linear in their
number and is measured by `kerakd benchmark pipeline`.
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.benchmark.memory import Peak, resident
from kerakd.errors import KerakdError, RecipeError

SIZE = 32
VIEWS, BATCH, CLASSES = 2, 256, 4
STAGES = ("audit", "cache", "epoch", "evaluation")
_CHUNK = 4096


def benchmark_scale(
    sizes: Sequence[int] = (1_000, 10_000, 100_000, 1_000_000),
    stages: Sequence[str] = STAGES,
    work: str | Path | None = None,
    say: Callable[[str], None] = lambda text: None,
    tell: Callable[[dict[str, Any]], None] = lambda figures: None,
) -> dict[str, Any]:
    """Measure time and memory of each stage at each size.

    Args:
        sizes: Numbers of samples, from 1,000 on.
        stages: Of `STAGES`: `audit` (the search for copies among thumbnails of 32x32),
            `cache` (a small teacher asked about 2 views of each sample), `epoch` (one
            epoch of a small student from that cache), `evaluation`.
        work: A folder with room for 1 kB a sample; a temporary one if `None`.
        say: Is told what is measured.
        tell: Given the figures so far after each measurement, so that what breaks off
            later loses none of them.

    Returns:
        A JSON-able dict; `runs` has for each stage and size `seconds`,
        `processor_seconds`, `microseconds_a_sample` (of the processors),
        `megabytes_before` and `megabytes_peak` (memory that is no mapped file).

    Raises:
        RecipeError: A size is below 1,000, or a stage unknown.
        KerakdError: A measurement failed, or the system does not tell its memory.
    """
    resident()
    if not sizes or min(sizes) < 1000:
        raise RecipeError(f"Give sizes of 1,000 samples or more, not {sizes!r}.")
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown:
        raise RecipeError(f"No stage {unknown[0]!r}; there are {', '.join(STAGES)}.")
    runs: list[dict[str, Any]] = []
    figures = {"image_size": SIZE, "views": VIEWS, "batch_size": BATCH, "runs": runs}
    with tempfile.TemporaryDirectory(dir=work) as folder:
        for size in sorted(sizes):
            for stage in stages:
                say(f"{stage}: {size:,} samples")
                runs.append(_in_process(stage, size, Path(folder) / str(size)))
                tell(figures)
    return figures


def _in_process(stage: str, size: int, folder: Path) -> dict[str, Any]:
    code = "import sys; from kerakd.benchmark import scale; scale.main(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, stage, str(size), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["the process was killed"]
        raise KerakdError(f"The stage {stage} at {size:,} samples failed: {lines[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def main(stage: str, size: str, folder: str) -> None:
    """One measurement, printed as JSON."""
    prepare, work = _MEASURED[stage]
    count, path = int(size), Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    ready = prepare(count, path)
    before = resident()["anonymous"]
    wall, processor = time.perf_counter(), time.process_time()
    with Peak() as peak:
        work(ready)
    processor = time.process_time() - processor
    run = {
        "stage": stage,
        "samples": count,
        "seconds": round(time.perf_counter() - wall, 3),
        "processor_seconds": round(processor, 3),
        "microseconds_a_sample": round(1e6 * processor / count, 2),
        "megabytes_before": round(before, 1),
        "megabytes_peak": round(peak.megabytes, 1),
    }
    if stage == "audit":
        per = count * math.log2(count)
        run["nanoseconds_a_sample_and_doubling"] = round(1e9 * processor / per, 2)
    print(json.dumps(run))


def _batches(count: int, folder: Path, **options: Any) -> Any:
    """Batches of made-up pictures of which each has an id, a label and pixels."""
    import pandas as pd

    from kerakd.data import ImageBatches, Samples

    class Made(ImageBatches):
        @cached_property
        def arrays(self):
            return {"": np.load(_pixels(count, folder), mmap_mode="c")}

    numbers = np.arange(count)
    ids = np.char.mod("%08d", numbers)
    table = pd.DataFrame(
        {
            "id": ids,
            "path": ids,
            "label": np.char.mod("class %d", numbers % CLASSES),
            "group": ids,
            "split": "train",
            "width": SIZE,
            "height": SIZE,
            "mode": "L",
        }
    )
    names = sorted(set(table["label"]))
    samples = Samples(table, folder, names)
    return Made(samples, SIZE, channels=1, batch_size=BATCH, **options)


def _pixels(count: int, folder: Path) -> Path:
    path = folder / "pixels.npy"
    if path.is_file():
        return path
    shape = (count, SIZE, SIZE, 1)
    array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    random = np.random.default_rng(0)
    for start in range(0, count, _CHUNK):
        part = array[start : start + _CHUNK]
        # A class is a brightness, so that there is something to learn.
        level = 40 + 40 * (np.arange(start, start + len(part)) % CLASSES)
        noise = random.integers(0, 40, part.shape)
        part[:] = level[:, None, None, None] + noise
    array.flush()
    return path


def _training(count: int, folder: Path) -> Any:
    return _batches(count, folder, shuffle=True, augment="flip", views=VIEWS)


def _network(width: int, seed: int) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    inputs = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(width, 3, strides=4, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(x))


def _prepare_audit(count: int, folder: Path) -> Any:
    from kerakd.benchmark.audit import _pictures

    return _pictures(count, np.random.default_rng(0))[0]


def _audit(thumbs: np.ndarray) -> None:
    from kerakd.data.audit.confirm import COARSE
    from kerakd.data.audit.index import candidates

    candidates(thumbs, COARSE, exact=0)


def _prepare_cache(count: int, folder: Path) -> Any:
    teacher = _network(16, 1)
    batches = _training(count, folder)
    next(iter(batches.at_view(0)))  # the pixels' file is there
    return teacher, batches, folder / "cache"


def _cache(ready: tuple) -> None:
    from kerakd.distillation import TeacherCache

    teacher, batches, path = ready
    TeacherCache.build(teacher, batches, path, "compact", progress=False)


def _prepare_epoch(count: int, folder: Path) -> Any:
    from kerakd.distillation import TeacherCache

    if not (folder / "cache").is_dir():
        _cache(_prepare_cache(count, folder))
    batches = _training(count, folder)
    cached = TeacherCache.open(folder / "cache").batches(batches)
    return _network(8, 2), _network(16, 1), cached


def _epoch(ready: tuple) -> None:
    from kerakd.training import train_student

    student, teacher, cached = ready
    train_student(student, cached, teacher=teacher, epochs=1, verbose=0)


def _prepare_evaluation(count: int, folder: Path) -> Any:
    return _network(8, 2), _batches(count, folder)


def _evaluation(ready: tuple) -> None:
    from kerakd.evaluation.evaluate import evaluate

    evaluate(*ready, progress=False)


_MEASURED = {
    "audit": (_prepare_audit, _audit),
    "cache": (_prepare_cache, _cache),
    "epoch": (_prepare_epoch, _epoch),
    "evaluation": (_prepare_evaluation, _evaluation),
}
