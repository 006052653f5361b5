"""Does a teacher help quantisation? `kerakd benchmark aware`."""

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerakd.compress import LiteRTModel, quantize, quantize_aware
from kerakd.data import batches, load_images, split
from kerakd.data.samples import Samples
from kerakd.errors import DataError, RecipeError
from kerakd.evaluation import predict_logits
from kerakd.losses import kl_divergence
from kerakd.models.loading import load_model


def benchmark_aware(
    student: keras.Model | str | Path,
    teacher: Any,
    data: str | Path | Samples,
    *,
    epochs: int = 2,
    learning_rate: float = 1e-4,
    seeds: int = 1,
    batch_size: int = 32,
    augment: str | dict | None = "flip",
    temperature: float = 4.0,
    student_loss_weight: float = 0.5,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Compare int8 after training with int8 learned, with and without a teacher.

    Everything is judged on the validation images; the test images are not touched.

    Args:
        student: A trained classifier that gives logits, or its `.keras` file.
        teacher: As in `kerakd.compress.quantize_aware`; the student's float self where
            it is the same file.
        data: The folder of images, split with `seed=0, validation=0.2`, or samples that
            have a split.
        epochs: Of quantisation-aware training.
        learning_rate: Of Adam at its first step.
        seeds: How many, from 0 on, for what is trained.
        batch_size: Images in a step.
        augment: As in `kerakd.data.batches`; as the student was trained.
        temperature: Of the distillation.
        student_loss_weight: Of the labels beside the teacher.
        progress: Whether to show a bar.

    Returns:
        A JSON-able dict: the settings, and under `variants` a list with, for each,
        `name`, `seed`, `validation_wrong`, `validation_accuracy`, and how far it is
        from the float student: `same_class` and `divergence` (mean KL, T = 1).

    Raises:
        RecipeError: `seeds` is below 1.
        DataError: There are no training or no validation images.
    """
    if seeds < 1:
        raise RecipeError(f"`seeds` must be at least 1, not {seeds}.")
    path = None if isinstance(student, keras.Model) else str(student)
    if path is not None:
        student = load_model(path)
    if not isinstance(data, Samples):
        data = split(load_images(data), seed=0, validation=0.2)
    train, validation = data.subset("train"), data.subset("validation")
    if not len(train) or not len(validation):
        raise DataError("The split needs training and validation images.")
    size = student.input_shape[1:3]
    judged = batches(validation, size)
    expected, labels = predict_logits(student, judged, progress)
    labels = labels.argmax(-1) if labels.ndim == 2 else labels
    rows = [_row("float32", None, expected, labels, expected)]

    def judge(name: str, seed: int | None, export: Any) -> None:
        logits, _ = predict_logits(LiteRTModel(export.path), judged, progress)
        rows.append(
            _row(name, seed, logits, labels, expected) | {"bytes": export.bytes}
        )

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        images = batches(train, size, augment=None)
        judge(
            "int8 after training",
            0,
            quantize(
                student, "int8", images, path=place / "ptq.tflite", integer_only=True
            ),
        )
        for seed in range(seeds):
            drawn = batches(
                train,
                size,
                batch_size=batch_size,
                shuffle=True,
                augment=augment,
                seed=seed,
            )
            for name, who in (("labels", None), ("labels and teacher", teacher)):
                result = quantize_aware(
                    student,
                    drawn,
                    teacher=who,
                    epochs=epochs,
                    learning_rate=learning_rate,
                    temperature=temperature,
                    student_loss_weight=student_loss_weight,
                    seed=seed,
                    path=place / "qat.tflite",
                    progress=progress,
                )
                judge(f"int8 learned from {name}", seed, result.export)
    return {
        "student": path,
        "teacher": teacher if isinstance(teacher, str) else None,
        "train_images": len(train),
        "validation_images": len(validation),
        "epochs": epochs,
        "learning_rate": learning_rate,
        "temperature": temperature,
        "student_loss_weight": student_loss_weight,
        "variants": rows,
    }


def _row(
    name: str, seed: int | None, logits: np.ndarray, labels: Any, expected: np.ndarray
) -> dict[str, Any]:
    answers = logits.argmax(-1)
    wrong = int((answers != labels).sum())
    return {
        "name": name,
        "seed": seed,
        "validation_wrong": wrong,
        "validation_accuracy": 1 - wrong / len(labels),
        "same_class": float((answers == expected.argmax(-1)).mean()),
        "divergence": float(kl_divergence(expected, logits, temperature=1.0)),
    }
