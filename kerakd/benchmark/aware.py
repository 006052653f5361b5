"""Does a teacher help quantisation? `kerakd benchmark aware`."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerakd.compress import LiteRTModel, quantize, quantize_aware
from kerakd.compress.backends import ConverterBackend
from kerakd.compress.calibration import LEAST, representative
from kerakd.compress.converter import to_flatbuffer
from kerakd.compress.flatbuffer import sign
from kerakd.compress.precision import in_float32
from kerakd.data import batches, load_images, split
from kerakd.data.samples import Samples
from kerakd.errors import DataError, RecipeError
from kerakd.evaluation import predict_logits
from kerakd.losses import kl_divergence
from kerakd.models.loading import load_model

PLAIN, PREPARED = "int8, the converter's own", "int8 after training"


def benchmark_aware(
    student: keras.Model | str | Path,
    teacher: Any,
    data: str | Path | Samples,
    *,
    epochs: int = 2,
    learning_rate: float = 1e-4,
    seeds: int = 1,
    limit: int | None = None,
    batch_size: int = 32,
    augment: str | dict | None = "flip",
    temperature: float = 4.0,
    student_loss_weight: float = 0.5,
    progress: bool | None = None,
    say: Callable[[str], None] | None = None,
    tell: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Compare int8 after training with int8 learned, with and without a teacher.

    All int8 files compute in integers throughout. Everything is judged on the
    validation images; the test images are not touched.

    Args:
        student: A trained classifier that gives logits, or its `.keras` file.
        teacher: As in `kerakd.compress.quantize_aware`; the student's float self where
            it is the same file.
        data: The folder of images, split with `seed=0, validation=0.2`, or samples that
            have a split.
        epochs: Of quantisation-aware training.
        learning_rate: Of Adam at its first step.
        seeds: How many, from 0 on, for what is trained.
        limit: How many training images at most, drawn with seed 0, at least 100; all
            where not given. All validation images are judged.
        batch_size: Images in a step.
        augment: As in `kerakd.data.batches`; as the student was trained.
        temperature: Of the distillation.
        student_loss_weight: Of the labels beside the teacher.
        progress: Whether to show a bar.
        say: Told what is being done.
        tell: Given the figures so far after each variant.

    Returns:
        A JSON-able dict: the settings, and under `variants` a list with, for each,
        `name`, `seed`, `validation_wrong`, `validation_accuracy`, how far it is from
        the float student: `turned` (answers that differ), `same_class`, `divergence`
        (mean KL, T = 1) and `logit_error` (mean absolute difference); and what making
        it took: `seconds`, `processor_seconds`.

    Raises:
        RecipeError: `seeds` is below 1, or `limit` below 100.
        DataError: There are no training or no validation images.
    """
    if seeds < 1:
        raise RecipeError(f"`seeds` must be at least 1, not {seeds}.")
    if limit is not None and limit < LEAST:
        raise RecipeError(f"`limit` must be at least {LEAST}, not {limit}.")
    say = say or (lambda text: None)
    path = None if isinstance(student, keras.Model) else str(student)
    if path is not None:
        student = load_model(path)
    if not isinstance(data, Samples):
        data = split(load_images(data), seed=0, validation=0.2)
    train, validation = data.subset("train"), data.subset("validation")
    if not len(train) or not len(validation):
        raise DataError("The split needs training and validation images.")
    if limit is not None and limit < len(train):
        drawn = np.random.default_rng(0).choice(len(train), limit, replace=False)
        train = train.take(np.sort(drawn))
    figures = {
        "student": path,
        "teacher": _names(teacher),
        "train_images": len(train),
        "validation_images": len(validation),
        "epochs": epochs,
        "learning_rate": learning_rate,
        "temperature": temperature,
        "student_loss_weight": student_loss_weight,
        "variants": [],
    }
    size = student.input_shape[1:3]
    judged = batches(validation, size)
    expected, labels = predict_logits(student, judged, progress)
    labels = labels.argmax(-1) if labels.ndim == 2 else labels

    def add(name: str, seed: int | None, make: Callable[[], Path] | None) -> None:
        row, logits = {"name": name, "seed": seed}, expected
        if make is not None:
            say(name if seed is None else f"{name}, seed {seed}")
            clock, processor = time.perf_counter(), time.process_time()
            file = LiteRTModel(make())
            row["seconds"] = round(time.perf_counter() - clock, 1)
            row["processor_seconds"] = round(time.process_time() - processor, 1)
            row["bytes"] = file.bytes
            logits, _ = predict_logits(file, judged, progress)
        figures["variants"].append(row | _compared(logits, labels, expected))
        if tell is not None:
            tell(figures)

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "student.tflite"
        images = batches(train, size, augment=None)

        def plain() -> Path:
            return _plainly(student, images, place)

        def prepared() -> Path:
            return quantize(student, "int8", images, path=place, integer_only=True).path

        def learned(seed: int, who: Any) -> Path:
            drawn = batches(
                train,
                size,
                batch_size=batch_size,
                shuffle=True,
                augment=augment,
                seed=seed,
            )
            return quantize_aware(
                student,
                drawn,
                teacher=who,
                epochs=epochs,
                learning_rate=learning_rate,
                temperature=temperature,
                student_loss_weight=student_loss_weight,
                seed=seed,
                path=place,
                progress=progress,
            ).export.path

        add("float32", None, None)
        add(PLAIN, None, plain)
        add(PREPARED, None, prepared)
        for seed in range(seeds):
            for name, who in (("labels", None), ("labels and teacher", teacher)):
                add(f"int8 learned from {name}", seed, partial(learned, seed, who))
    return figures


def _plainly(student: keras.Model, images: Any, path: Path) -> Path:
    """What TensorFlow's converter makes of it, without kerakd's preparations."""
    drawn = representative(images, student.input_shape[1:])
    shape = (1, *student.input_shape[1:])
    flatbuffer = to_flatbuffer(in_float32(student), "float32", shape)
    path.write_bytes(sign(ConverterBackend(flatbuffer, drawn.images).quantize()))
    return path


def _names(teacher: Any) -> Any:
    """The paths of teachers, as far as they are paths."""
    if isinstance(teacher, list | tuple):
        return [_names(one) for one in teacher]
    return str(teacher) if isinstance(teacher, str | Path) else None


def _compared(
    logits: np.ndarray, labels: np.ndarray, expected: np.ndarray
) -> dict[str, Any]:
    answers, same = logits.argmax(-1), expected.argmax(-1)
    wrong, turned = int((answers != labels).sum()), int((answers != same).sum())
    return {
        "validation_wrong": wrong,
        "validation_accuracy": 1 - wrong / len(labels),
        "turned": turned,
        "same_class": 1 - turned / len(labels),
        "divergence": float(kl_divergence(expected, logits, temperature=1.0)),
        "logit_error": float(np.abs(logits - expected).mean()),
    }
