"""The files for LiteRT: written by mode, compared with Keras, judged on the test."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerakd import compress
from kerakd.compress import needs
from kerakd.compress.calibration import LEAST
from kerakd.compress.modes import MODES
from kerakd.data import ImageBatches, Samples
from kerakd.errors import RecipeError, nearest
from kerakd.evaluation import classification_metrics, predict_logits
from kerakd.run.job import Job
from kerakd.run.judging import Candidate

REPRESENTATIVE = 128


def check_modes(modes: Sequence[str], training_images: int) -> None:
    """Refuse what cannot be exported, before hours of training.

    Args:
        modes: Those of the recipe.
        training_images: How many there are to calibrate integer modes by.

    Raises:
        RecipeError: There is no such mode, or too few images for an integer one.
    """
    for mode in modes:
        if mode not in MODES:
            raise RecipeError(
                f"export.modes: there is no export to {mode!r} here. "
                f"{nearest(mode, MODES)}"
            )
        if MODES[mode].calibrated and training_images < LEAST:
            raise RecipeError(
                f"export.modes: {mode!r} is calibrated on at least {LEAST} training "
                f"images, and there are {training_images}; leave it out, or use more."
            )


def export_all(job: Job, student: Candidate) -> dict[str, Any]:
    """Write the student in each mode of the recipe, and compare it with Keras.

    Modes whose activations are integers are calibrated on training images; what is
    told of a file is measured on the validation images.

    Returns:
        What is told of the first mode, and under `modes` of every one: `path`,
        `bytes` and the figures of `kerakd.compress.verify`.
    """
    if keras.backend.backend() != "tensorflow":
        job.warnings.append(needs.NOT_EXPORTED.format(backend=keras.backend.backend()))
        return {"modes": {}}
    (model,) = student.models
    validation = job.pictures("validation", student.shape)
    training = job.samples.subset("train")
    told = {}
    for mode in job.recipe.export.modes:
        path = job.folder / f"student_{mode}.tflite"
        # Kernels of a dynamic-range file are rounded by the images given.
        given = validation if mode != "dynamic" else few(training, student.shape)
        calibration: dict[str, Any] = {"representative_data": given}
        if MODES[mode].calibrated:
            calibration = {
                "representative_data": training,
                "calibration_images": REPRESENTATIVE,
                "seed": job.recipe.seed,
            }
        export = compress.quantize(
            model,
            mode,
            path=path,
            class_names=job.class_names,
            provenance={"recipe": job.recipe.name, "seed": student.seed},
            **calibration,
        )
        report = compress.verify(model, path, validation)
        told[mode] = {"path": path.name, "bytes": export.bytes, **report}
    first = told[job.recipe.export.modes[0]]
    return {**first, "modes": told}


def few(training: Samples, shape: tuple[int, int, int]) -> ImageBatches:
    """64 training images from all over the table."""
    rows = np.linspace(0, len(training) - 1, min(64, len(training))).astype(int)
    return ImageBatches(training.take(rows), shape[:2], channels=shape[2])


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
        litert = compress.LiteRTModel(path)
        logits[name], _ = predict_logits(litert, pictures)
        validation[name], labels = predict_logits(
            litert, job.pictures("validation", student.shape)
        )
        told[name] = {
            "title": f"the same, LiteRT {mode}",
            "parameters": known["parameters"],
            "megabytes": export["bytes"] / 1e6,
            "multiply_adds": known["multiply_adds"],
            "ms_per_image": compress.benchmark(path)["median_ms"],
            "validation": classification_metrics(
                labels, validation[name], job.class_names
            ),
        }
    return told, logits, validation
