"""Is int8 faster than float? `kerakd benchmark int8`."""

import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
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
# Operators that only change the format of numbers, and why they stay outside.
_FORMATS = {
    "QUANTIZE": "makes int8 of the bytes of the pixels, once, in front",
    "DEQUANTIZE": "makes float of what an operator left in float takes",
}


def benchmark_int8(
    cases: Sequence[str] | None = None,
    seconds: float = 10.0,
    threads: int = 2,
    *,
    say: Callable[[str], None] | None = None,
    tell: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Time int8 against float32, the two files of each network taking turns.

    Networks have random weights, and running statistics of batch normalisation that
    belong to them: with fresh ones activations collapse, and so do the times.

    Args:
        cases: Keys of `CASES`; all by default.
        seconds: How long each network is timed, about, in seconds, above 0; at most
            200 runs of each file. Building and exporting it take longer.
        threads: CPU threads.
        say: Told what is being done.
        tell: Given the figures so far after each network, so that what breaks off
            later loses none of them.

    Returns:
        A JSON-able dict: `machine`, `threads`, `seconds` and `cases`, by name `float32`
        and `int8` (`median_ms`, `p95_ms`, `min_ms`, `runs`), `ratio` (int8 over
        float32 turn by turn: `median`, `lower_quartile`, `upper_quartile`), `bar`,
        `size_ratio`, `size_bar`, `partitions`, `outside` (a list of `operator`,
        `count` and `reason`), `chosen` (the way to int8), `relative_error` (mean logit
        error over the spread of the logits) and `seconds` (of building, exporting and
        timing it).

    Raises:
        RecipeError: A case is unknown, or `seconds` is not above 0.
    """
    cases = list(CASES) if cases is None else list(dict.fromkeys(cases))
    for case in cases:
        if case not in CASES:
            raise RecipeError(f"There is no network {case!r}. {nearest(case, CASES)}")
    if not seconds > 0:
        raise RecipeError(f"`seconds` must be above 0, not {seconds!r}.")
    say = say or (lambda text: None)
    figures = {
        "machine": machine(),
        "threads": threads,
        "seconds": seconds,
        "cases": {},
    }
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            figures["cases"][case] = _measure(case, Path(folder), seconds, threads, say)
        keras.backend.clear_session()
        if tell is not None:
            tell(figures)
    return figures


def _measure(
    case: str, folder: Path, seconds: float, threads: int, say: Callable[[str], None]
) -> dict[str, Any]:
    begun = time.perf_counter()
    name, size, options, bar = CASES[case]
    say(f"{case}: build it, settle its batch normalisation")
    keras.utils.set_random_seed(0)
    classes = 2 if name.startswith("unet") else 4
    model = models.build(name, classes, (size, size, 3))
    images = _smooth(128, size)
    _settle_batch_norm(model, images)
    paths = {mode: folder / f"{mode}.tflite" for mode in ("float32", "int8")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        say(f"{case}: export float32")
        quantize(model, "float32", images[:16], path=paths["float32"])
        say(f"{case}: export int8 in every way there is, and choose")
        export = quantize(
            model, "int8", images, path=paths["int8"], threads=threads, **options
        )
    files = {mode: LiteRTModel(path, threads=threads) for mode, path in paths.items()}
    say(f"{case}: time both files for about {seconds:g} s")
    times = interleaved(files, seconds=seconds)
    told = {mode: summary(one) for mode, one in times.items()}
    each = np.array(times["int8"]) / np.array(times["float32"])
    low, middle, high = map(float, np.percentile(each, [25, 50, 75]))
    spread = float(files["float32"](images[:32]).std())
    return told | {
        "ratio": {"median": middle, "lower_quartile": low, "upper_quartile": high},
        "bar": bar,
        "size_ratio": files["int8"].bytes / files["float32"].bytes,
        "size_bar": _SIZE_BAR,
        "partitions": export.report["partitions"],
        "outside": [
            {"operator": kind, "count": count, "reason": _reason(kind, options)}
            for kind, count in export.report["outside_xnnpack"].items()
        ],
        "chosen": export.report["chosen"],
        "relative_error": export.report["mean_abs_difference"] / spread,
        "seconds": time.perf_counter() - begun,
    }


def _reason(kind: str, options: dict[str, Any]) -> str:
    """Why an operator of an int8 file runs outside of the delegate."""
    if kind in _FORMATS:
        return _FORMATS[kind]
    kept = (
        "nothing may be left in float"
        if options.get("integer_only")
        else "left in float it tore the file in more pieces or moved the logits"
    )
    return f"XNNPACK has no 8-bit kernel for it, and {kept}"


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
