"""Is int8 faster than float? `kerakd benchmark int8`."""

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerakd import models
from kerakd.benchmark.model import machine
from kerakd.compress import LiteRTModel, interleaved, quantize
from kerakd.compress.timing import summary
from kerakd.errors import RecipeError, nearest

# Name: image size, options of quantize, and what int8 may cost of float32's time on a
# processor with AVX512-VNNI.
CASES: dict[str, tuple[str, int, dict[str, Any], float]] = {
    "mobilenet_v3_small": ("mobilenet_v3_small", 224, {}, 0.75),
    "mobilenet_v3_small_integer_only": (
        "mobilenet_v3_small",
        224,
        {"integer_only": True},
        0.85,
    ),
    "mobilenet_v2": ("mobilenet_v2", 224, {}, 0.60),
    "resnet50": ("resnet50", 224, {}, 0.35),
    "unet_student": ("unet_student", 128, {}, 0.60),
    "efficientnet_v2_b0": ("efficientnet_v2_b0", 224, {}, 0.60),
    "unet_teacher": ("unet_teacher", 128, {}, 0.40),
    "alexnet": ("alexnet", 224, {}, 0.50),
}
_SIZE_BAR = 0.30


def benchmark_int8(
    cases: Sequence[str] | None = None, seconds: float = 10.0, threads: int = 2
) -> dict[str, Any]:
    """Time int8 against float32, the two files of each network taking turns.

    Networks have random weights, and running statistics of batch normalisation that
    belong to them: with fresh ones activations collapse, and so do the times.

    Args:
        cases: Keys of `CASES`; all by default.
        seconds: How long each network is timed, about.
        threads: CPU threads.

    Returns:
        A JSON-able dict: `machine`, `threads` and `cases`, by name `float32` and `int8`
        (`median_ms`, `p95_ms`, `min_ms`, `runs`), `ratio` (of the medians), `bar`,
        `size_ratio`, `size_bar`, `partitions`, `outside_xnnpack`, `chosen` (the way to
        int8) and `relative_error` (mean logit error over the spread of the logits).

    Raises:
        RecipeError: A case is unknown.
    """
    cases = list(CASES) if cases is None else list(cases)
    for case in cases:
        if case not in CASES:
            raise RecipeError(f"There is no case {case!r}. {nearest(case, CASES)}")
    found = {}
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            found[case] = _measure(case, Path(folder), seconds, threads)
        keras.backend.clear_session()
    return {"machine": machine(), "threads": threads, "cases": found}


def _measure(case: str, folder: Path, seconds: float, threads: int) -> dict[str, Any]:
    name, size, options, bar = CASES[case]
    keras.utils.set_random_seed(0)
    classes = 2 if name.startswith("unet") else 4
    model = models.build(name, classes, (size, size, 3))
    images = _smooth(128, size)
    _settle_batch_norm(model, images)
    paths = {mode: folder / f"{mode}.tflite" for mode in ("float32", "int8")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        quantize(model, "float32", images[:16], path=paths["float32"])
        export = quantize(
            model, "int8", images, path=paths["int8"], threads=threads, **options
        )
    files = {mode: LiteRTModel(path, threads=threads) for mode, path in paths.items()}
    times = interleaved(files, seconds=seconds)
    told = {mode: summary(one) for mode, one in times.items()}
    spread = float(files["float32"](images[:32]).std())
    return told | {
        "ratio": told["int8"]["median_ms"] / told["float32"]["median_ms"],
        "bar": bar,
        "size_ratio": files["int8"].bytes / files["float32"].bytes,
        "size_bar": _SIZE_BAR,
        "partitions": export.report["partitions"],
        "outside_xnnpack": export.report["outside_xnnpack"],
        "chosen": export.report["chosen"],
        "relative_error": export.report["mean_abs_difference"] / spread,
    }


def _smooth(count: int, size: int) -> np.ndarray:
    """Images of soft blobs and a little noise, float32 in 0..255."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (count, 8, 8, 3)).astype(np.float32)
    images = np.array(
        keras.ops.image.resize(coarse, (size, size), interpolation="bicubic")
    )
    images += random.normal(0, 10, images.shape)
    return images.clip(0, 255).round().astype(np.float32)


def _settle_batch_norm(model: keras.Model, images: np.ndarray) -> None:
    """Let running statistics follow the weights within eight batches."""
    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.5
    for start in range(0, 64, 8):
        model(images[start : start + 8], training=True)
    for layer, momentum in zip(layers, before, strict=True):
        layer.momentum = momentum
