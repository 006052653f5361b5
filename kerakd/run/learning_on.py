"""A run's student, compressed while it learns on: `kerakd compress RUN --aware`."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerakd.compress import cluster, prune, quantize_aware, verify
from kerakd.data import ImageBatches, batches
from kerakd.errors import DataError, RecipeError, nearest
from kerakd.files import replacing, write_json
from kerakd.models.loading import load_model
from kerakd.run import networks
from kerakd.run.compressing import _places, _provenance, _samples
from kerakd.run.segmentation.opening import is_segmentation

METHODS = {"aware": quantize_aware, "pruned": prune, "clustered": cluster}


def learn_on(
    run: str | os.PathLike,
    method: str,
    data: str | os.PathLike | None = None,
    *,
    teacher: str | os.PathLike | Sequence[str | os.PathLike] | None = None,
    epochs: int = 2,
    learning_rate: float = 1e-4,
    seed: int = 0,
    augment: str | dict | None = "flip",
    on: str = "validation",
    progress: bool | None = None,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> dict[str, Any]:
    """Quantise, prune or cluster the student of a run while it learns on.

    Writes `student_<method>.tflite` with its JSON, `student_<method>.keras` and
    `student_<method>_training.json` (what is returned) into the run folder.

    Args:
        run: A run folder with `student.keras`, or a `.keras` file anywhere, whose
            exports are then written beside it, named after it.
        method: `"aware"`, `"pruned"` or `"clustered"`.
        data: The folder of the images, as in `kerakd.data.resolve`.
        teacher: A `.keras` file or several; the run's teachers if `None`, and the
            float student itself where there are none.
        epochs: Times over the training images.
        learning_rate: At the first step.
        seed: Of order, augmentation and dropout.
        augment: As in `kerakd.data.batches`.
        on: The split that the file is judged on: `"validation"` or `"test"`.
        progress: Whether to show a bar.
        say: Told what is being done.
        **options: Of `kerakd.compress.prune` or `kerakd.compress.cluster`.

    Returns:
        `Compressed.as_dict()`, with `teacher` and `verify` (agreement with the float
        student on the split).

    Raises:
        RecipeError: The method or split is unknown.
        ModelError: There is no student or teacher, or it cannot be compressed.
        DataError: The images are not found.
    """
    if method not in METHODS:
        raise RecipeError(f"There is no method {method!r}. {nearest(method, METHODS)}")
    if on not in ("test", "validation"):
        raise RecipeError(f"A file is judged on test or validation, not on {on!r}.")
    model_path, folder = _places(Path(run))
    if is_segmentation(folder):
        raise RecipeError(
            f"{folder} is a run of slices, on which students are not compressed in "
            "training from here; call kerakd.compress.quantize_aware, prune or cluster "
            "with kerakd.data.volumes.SliceBatches."
        )
    student = networks.load_logits(model_path)
    samples = _samples(folder, data)
    networks.check_classes(student, model_path, samples.class_names)
    size, channels = student.input_shape[1:3], student.input_shape[3]
    judged = samples.subset(on)
    if not len(judged):
        raise DataError(f"The images in {samples.root} have no {on} split.")
    if isinstance(teacher, str | os.PathLike):
        teacher = [teacher]
    files = list(teacher or networks.teacher_files(folder))
    who = [load_model(file) for file in files]
    # Teachers may see larger pictures, and all of them the same.
    sizes = {"student": (size, channels)}
    if who:
        seen = max((one.input_shape[1:] for one in who), key=math.prod)
        sizes["teacher"] = (seen[:2], seen[2])
    stem = folder / f"{model_path.stem}_{method}"
    training = samples.subset("train")
    say(f"Learn on {len(training)} images ({method})")
    result = METHODS[method](
        student,
        batches(
            training,
            sizes=sizes,
            shuffle=True,
            augment=augment,
            seed=seed,
        ),
        teacher=who or student,
        epochs=epochs,
        learning_rate=learning_rate,
        seed=seed,
        path=stem.with_name(stem.name + ".tflite"),
        class_names=samples.class_names,
        provenance=_provenance(folder, model_path),
        progress=progress,
        **options,
    )
    with replacing(stem.with_name(stem.name + ".keras")) as temporary:
        result.model.save(temporary)
    say(f"Judge on {len(judged)} {on} images")
    pictures = ImageBatches(judged, size, channels=channels)
    figures = result.as_dict() | {
        "teacher": ", ".join(map(str, files)) or "the float student",
        "split": on,
        "verify": verify(student, result.export.path, pictures),
    }
    write_json(stem.with_name(stem.name + "_training.json"), figures)
    return figures
