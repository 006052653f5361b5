"""Exported files side by side: size, speed, memory, accuracy, agreement."""

import gzip
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerakd import hardware
from kerakd.compress.agreement import answers_of
from kerakd.compress.batches import labelled_image_batches
from kerakd.compress.flatbuffer import peak_activations
from kerakd.compress.interpreter import LiteRTModel
from kerakd.compress.timing import interleaved, summary
from kerakd.errors import DataError, RecipeError
from kerakd.evaluation.intervals import wilson_interval

_RESAMPLES = 1000


def benchmark_models(
    files: Sequence[str | os.PathLike],
    data: Any = None,
    *,
    others: Mapping[str, np.ndarray] | None = None,
    threads: Sequence[int] = (1, 2),
    seconds: float = 3.0,
) -> dict[str, Any]:
    """Measure `.tflite` files against one another; they are run with LiteRT alone.

    Times are of the interpreter's work on one image, the files taking turns, so that
    what else the machine does falls on all of them alike.

    Args:
        files: `.tflite` files. The first is what the others are compared with; give
            the float32 file first.
        data: Labelled images, raw pixels: `kerakd.data.ImageBatches`, a tuple
            `(images, labels)`, a `tf.data.Dataset` or another iterable of such. For
            U-Nets the labels are masks. Without it nothing is said of accuracy.
        others: Logits of other models on the same images in the same order, such as
            the teacher's, by name; agreement with them is measured too.
        threads: Numbers of CPU threads.
        seconds: About how long to time with each number of threads.

    Returns:
        A JSON-able dict: `machine`, `reference` (the first file's name) and `variants`,
        each with `name`, `file`, `mode`, `task`, `bytes`, `gzip_bytes`, `parameters`
        and `multiply_adds` (`None` in foreign files), `partitions`, `outside_xnnpack`,
        `peak_arena_bytes` (all activations alive at once at the worst operator),
        `milliseconds` (by number of threads: `median_ms`, `p95_ms`, `min_ms`, `runs`
        and `ratio` to the reference), and with data `images`, `accuracy` with
        `accuracy_interval` (95%, Wilson) and `correct`, or `dice` with `dice_interval`
        (95%, bootstrap over images), `per_class`, and `agreement` (share of equal
        answers with the reference and with each of `others`).

    Raises:
        ModelError: A file cannot be read or run.
        RecipeError: There are no files, or `threads` are below 1.
        DataError: The data carry no labels, or other images than a file takes.

    Example:

    ```python
    figures = kerakd.benchmark.benchmark_models(
        ["student_float32.tflite", "student_int8.tflite"], test_batches
    )
    ```
    """
    paths = [Path(file) for file in files]
    if not paths:
        raise RecipeError("There is no file to measure; name at least one .tflite.")
    names = _names(paths)
    models = dict(zip(names, map(LiteRTModel, paths), strict=True))
    variants = [_about(name, model) for name, model in models.items()]
    for count in threads:
        _time(variants, paths, names, count, seconds)
    if data is not None:
        _judge(variants, models, data, others or {})
    return {"machine": machine(), "reference": names[0], "variants": variants}


def machine() -> dict[str, Any]:
    """The processor that figures of speed belong to."""
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8")
    return {
        "processor": hardware.processor(),
        "cores": os.cpu_count(),
        "instructions": [one for one in wanted if one in hardware.instructions()],
    }


def _names(paths: list[Path]) -> list[str]:
    """Stems where they differ, else whole paths."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else list(map(str, paths))


def _about(name: str, model: LiteRTModel) -> dict[str, Any]:
    metadata = model.metadata
    content = model.path.read_bytes()
    inspection = model.operators()
    task = "segmentation" if len(model.output_shape) == 4 else "classification"
    return {
        "name": name,
        "file": model.path.name,
        "mode": metadata.get("mode"),
        "task": task,
        "bytes": len(content),
        "gzip_bytes": len(gzip.compress(content, 6, mtime=0)),
        "parameters": metadata.get("parameters"),
        "multiply_adds": metadata.get("multiply_adds"),
        "partitions": inspection["partitions"],
        "outside_xnnpack": inspection["outside_xnnpack"],
        "peak_arena_bytes": peak_activations(content),
        "milliseconds": {},
    }


def _time(
    variants: list[dict[str, Any]],
    paths: list[Path],
    names: list[str],
    threads: int,
    seconds: float,
) -> None:
    models = {
        name: LiteRTModel(path, threads=threads)
        for name, path in zip(names, paths, strict=True)
    }
    times = interleaved(models, seconds=seconds)
    base = float(np.median(times[names[0]]))
    for variant in variants:
        told = summary(times[variant["name"]])
        told["ratio"] = told["median_ms"] / base
        variant["milliseconds"][str(threads)] = told


def _judge(
    variants: list[dict[str, Any]],
    models: dict[str, LiteRTModel],
    data: Any,
    others: Mapping[str, np.ndarray],
) -> None:
    """Accuracy or Dice, and who agrees with whom."""
    shapes = {model.input_shape[1:] for model in models.values()}
    if len(shapes) > 1:
        raise DataError(
            f"The files take images of different sizes ({sorted(shapes)}); measure "
            "accuracy of files of one size at a time."
        )
    (shape,) = shapes
    said: dict[str, list[np.ndarray]] = {name: [] for name in models}
    truth = []
    for images, labels in labelled_image_batches(data, shape):
        if labels is None:
            raise DataError(
                "Accuracy needs labels beside the images: batches (x, y), with class "
                "indices or masks."
            )
        truth.append(labels)
        for name, model in models.items():
            said[name].append(answers_of(model(images)))
    labels = np.concatenate(truth)
    answers = {name: np.concatenate(rows) for name, rows in said.items()}
    reference = variants[0]["name"]
    known = {name: answers_of(np.asarray(rows)) for name, rows in others.items()}
    for name, rows in known.items():
        if rows.shape != labels.shape:
            raise DataError(
                f"The logits of {name!r} are of {len(rows)} images, the data have "
                f"{len(labels)}."
            )
    for variant in variants:
        own = answers[variant["name"]]
        if own.shape != labels.shape:
            raise DataError(
                f"{variant['file']} gives answers of shape {own.shape[1:]} for labels "
                f"of shape {labels.shape[1:]}; give the labels of its task."
            )
        score = _dice if labels.ndim > 1 else _accuracy
        variant |= score(labels, own, models[variant["name"]])
        variant["agreement"] = {
            name: float(np.mean(own == rows))
            for name, rows in ({reference: answers[reference]} | known).items()
        }


def _accuracy(labels: np.ndarray, answers: np.ndarray, model: LiteRTModel) -> dict:
    right = answers == labels
    accuracy = float(right.mean())
    return {
        "images": len(labels),
        "correct": int(right.sum()),
        "accuracy": accuracy,
        "accuracy_interval": list(wilson_interval(accuracy, len(labels))),
        "per_class": {
            _class_name(model, k): float(right[labels == k].mean())
            for k in np.unique(labels)
        },
    }


def _dice(labels: np.ndarray, answers: np.ndarray, model: LiteRTModel) -> dict:
    """Of every class but the background, mean over the images that show it or say so.

    An image where neither label nor answer has a class says nothing of it.
    """
    classes = range(1, max(2, model.output_shape[-1]))
    axes = tuple(range(1, labels.ndim))
    per_image = np.full((len(labels), len(classes)), np.nan)
    for column, k in enumerate(classes):
        true, said = labels == k, answers == k
        size = true.sum(axes) + said.sum(axes)
        there = size > 0
        per_image[there, column] = 2 * (true & said).sum(axes)[there] / size[there]
    rows = per_image[~np.isnan(per_image).all(axis=1)]
    if not len(rows):
        return {"images": len(labels), "dice": 1.0, "dice_interval": None}
    drawn = np.random.default_rng(0).integers(0, len(rows), (_RESAMPLES, len(rows)))
    means = np.nanmean(np.nanmean(rows, axis=1)[drawn], axis=1)
    return {
        "images": len(labels),
        "dice": float(np.nanmean(np.nanmean(rows, axis=1))),
        "dice_interval": [float(v) for v in np.percentile(means, [2.5, 97.5])],
        "per_class": {
            _class_name(model, k): float(np.nanmean(per_image[:, column]))
            for column, k in enumerate(classes)
            if not np.isnan(per_image[:, column]).all()
        },
    }


def _class_name(model: LiteRTModel, index: int) -> str:
    names = model.class_names
    return names[index] if names else str(index)
