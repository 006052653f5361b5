"""Quantisation-aware training: the network learns to be rounded."""

import os
from typing import TYPE_CHECKING, Any

from kerakd.compress.aware.export import export
from kerakd.compress.aware.learning import learn
from kerakd.compress.aware.result import Compressed
from kerakd.compress.aware.settings import Lesson
from kerakd.compress.aware.start import start
from kerakd.compress.aware.wrapping import refresh_kernels, set_ranges, wrap
from kerakd.compress.bridge.convert import from_tf_keras

if TYPE_CHECKING:
    import keras


def quantize_aware(
    student: "keras.Model",
    train_data: Any,
    *,
    teacher: Any = None,
    epochs: int = 1,
    learning_rate: float = 1e-4,
    distillation_losses: Any = None,
    student_loss_weight: Any = 0.5,
    temperature: float = 4.0,
    loss: Any = None,
    batch_size: int = 32,
    seed: int = 0,
    path: str | os.PathLike | None = None,
    class_names: list[str] | tuple[str, ...] | None = None,
    preprocessing: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
    threads: int = 2,
    progress: bool | None = None,
) -> Compressed:
    """Fine-tune a student while its tensors are rounded to 8 bits, then export it.

    The student crosses to tf_keras (`to_tf_keras`), TFMOT's quantisers round kernels
    and activations in every forward pass, and the gradient goes straight through
    them ("Quantization and Training of Neural Networks", Jacob et al., CVPR 2018,
    arXiv:1712.05877). With a teacher the loss is the `kerakd.Distiller`'s: the teacher
    goes on teaching the student that is rounded. The file computes in integers
    throughout, with the ranges that were learned.

    Args:
        student: A trained functional or Sequential model that gives logits. It is not
            changed.
        train_data: `kerakd.data.ImageBatches`, the batches of a `kerakd.TeacherCache`,
            a finite `tf.data.Dataset` of batches `(x, y)` or `(x, y, sample_weight)`,
            or a tuple of such arrays. The first 128 images set the ranges to begin
            with; raw pixels in 0..255 stay bytes.
        teacher: A Keras 3 model that gives logits, the path of one, or several; the
            student's float self teaches, too. Not needed where the batches bring the
            logits of a TeacherCache. Without either the labels alone teach.
        epochs: Times over the data, at least 1.
        learning_rate: Of Adam at the first step; falls to 0 along a cosine. A tenth
            to a hundredth of what the student was trained with.
        distillation_losses: `kerakd.losses` objects on logits; KL divergence at
            `temperature` if `None`.
        student_loss_weight: Weight of the labels beside the teacher, in [0, 1].
        temperature: Of the default distillation loss, above 0.
        loss: A `keras.losses` object that compares labels with logits; the
            crossentropy that fits the labels if `None`.
        batch_size: Of arrays.
        seed: Of dropout and of the order of arrays.
        path: The `.tflite` file to write (and `<path>.json`); none if `None`.
        class_names: Names of the logits, stored in the file; the data's if `None`.
        preprocessing: As in `kerakd.compress.quantize`.
        provenance: As in `kerakd.compress.quantize`.
        threads: CPU threads of the check.
        progress: Whether to show a bar; where there is a terminal if `None`.

    Returns:
        A `Compressed`: the Keras 3 model with the new weights, the export, the
        history.

    Raises:
        RecipeError: An option is out of range.
        DataError: The data are empty, endless or of another shape or range.
        ModelError: The student has no graph, a layer cannot cross or has no 8-bit
            form (it is named), the loss becomes NaN, or the file disagrees.

    Example:

    ```python
    result = kerakd.compress.quantize_aware(
        student, train, teacher=teacher, epochs=2, path="run/student_qat.tflite"
    )
    print(result.export.bytes, result.export.report["top1_agreement"])
    ```
    """
    lesson = Lesson(epochs, learning_rate, batch_size, seed, progress)
    begun = start(
        student,
        train_data,
        lesson,
        teacher=teacher,
        distillation_losses=distillation_losses,
        student_loss_weight=student_loss_weight,
        temperature=temperature,
        loss=loss,
        path=path,
        class_names=class_names,
        provenance=provenance,
    )
    whole, inner = wrap(begun.legacy)
    set_ranges(whole, inner, begun.legacy, begun.images)
    history = learn(
        whole,
        begun.trainable(inner),
        begun.objective,
        begun.feed,
        lesson,
        "Learning to be rounded",
    )
    refresh_kernels(inner)
    model = from_tf_keras(inner, student)
    report = {
        "method": "quantisation-aware training",
        "teacher": begun.objective.has_teacher,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "seed": seed,
        "history": history,
    }
    written = None
    if begun.path is not None:
        written = export(
            whole,
            model,
            begun.path,
            begun.images,
            begun.class_names,
            preprocessing,
            {**(provenance or {}), "compression": report},
            threads,
        )
    return Compressed(model, written, history, report)
