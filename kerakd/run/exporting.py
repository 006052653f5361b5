"""The files for LiteRT: written by mode, compared with Keras, judged on the test."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerakd.compress import LiteRTModel, quantize, verify
from kerakd.compress import benchmark as benchmark_litert
from kerakd.compress.modes import MODES
from kerakd.data import ImageBatches
from kerakd.errors import RecipeError, nearest
from kerakd.evaluation import classification_metrics, predict_logits
from kerakd.run.job import Job
from kerakd.run.judging import Candidate

REPRESENTATIVE = 128


def check_modes(modes: Sequence[str]) -> None:
    """Refuse what cannot be exported, before hours of training.

    Raises:
        RecipeError: This kerakd knows no such mode.
    """
    for mode in modes:
        if mode not in MODES:
            raise RecipeError(
                f"export.modes: there is no export to {mode!r} here. "
                f"{nearest(mode, MODES)}"
            )


def export_all(job: Job, student: Candidate) -> dict[str, Any]:
    """Write the student in each mode of the recipe, and compare it with Keras.

    Modes whose activations are integers are calibrated on training images; what is
    told of a file is measured on the validation images.

    Returns:
        What is told of the first mode, and under `modes` of every one: `path`,
        `bytes` and the figures of `kerakd.compress.verify`.
    """
    (model,) = student.models
    validation = job.pictures("validation", student.shape)
    told = {}
    for mode in job.recipe.export.modes:
        path = job.folder / f"student_{mode}.tflite"
        seen = validation
        if mode.startswith("int"):
            seen = representative(job, student.shape)
        export = quantize(
            model,
            mode,
            seen,
            path=path,
            class_names=job.class_names,
            provenance={"recipe": job.recipe.name, "seed": student.seed},
        )
        report = verify(model, path, validation)
        told[mode] = {"path": path.name, "bytes": export.bytes, **report}
    first = told[job.recipe.export.modes[0]]
    return {**first, "modes": told}


def representative(job: Job, shape: tuple[int, int, int]) -> ImageBatches:
    """Training images that show an integer mode which values occur.

    Of each class as many as its share, drawn by the seed of the recipe; without
    augmentation.
    """
    train = job.samples.subset("train")
    rows = stratified(train.labels, REPRESENTATIVE, job.recipe.seed)
    return ImageBatches(train.take(rows), image_size=shape[:2], channels=shape[2])


def stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """About `count` rows, every class in its share and at least once.

    Args:
        labels: Class indices, shape (N,).
        count: How many; all rows where there are fewer.
        seed: Of the draw.

    Returns:
        Row numbers, ascending.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    generator = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        number = max(1, round(count * len(rows) / len(labels)))
        chosen.append(generator.permutation(rows)[:number])
    return np.sort(np.concatenate(chosen))


def run_exports(
    job: Job, exports: dict[str, Any], student: Candidate, known: dict[str, Any]
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Run every exported file over the test and the validation images.

    Args:
        job: The run.
        exports: What `export_all` told, by mode.
        student: The Keras model that was exported.
        known: What is told of it.

    Returns:
        By model name (`student_float32`, ...): what is told of the file, its logits
        on the test images, and those on the validation images.
    """
    told, logits, validation = {}, {}, {}
    pictures = job.pictures("test", student.shape)
    for mode, export in exports.items():
        path = job.folder / export["path"]
        name = f"student_{mode}"
        litert = LiteRTModel(path)
        logits[name], _ = predict_logits(litert, pictures)
        validation[name], labels = predict_logits(
            litert, job.pictures("validation", student.shape)
        )
        told[name] = {
            "title": f"the same, LiteRT {mode}",
            "parameters": known["parameters"],
            "megabytes": export["bytes"] / 1e6,
            "multiply_adds": known["multiply_adds"],
            "ms_per_image": benchmark_litert(path)["median_ms"],
            "validation": classification_metrics(
                labels, validation[name], job.class_names
            ),
        }
    return told, logits, validation
