"""Pruning: the network learns to do without most of its weights."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from kerakd.compress.aware.integers import check_exportable, export_int8
from kerakd.compress.aware.kernels import kernels, wrap_kernels
from kerakd.compress.aware.learning import learn, make_optimizer
from kerakd.compress.aware.result import Compressed
from kerakd.compress.aware.settings import Lesson, check_number
from kerakd.compress.aware.start import start
from kerakd.compress.bridge.convert import from_tf_keras
from kerakd.compress.bridge.legacy import tfmot
from kerakd.errors import RecipeError

if TYPE_CHECKING:
    import keras

STRUCTURES = ("unstructured", "2:4")


def prune(
    student: "keras.Model",
    train_data: Any,
    *,
    sparsity: float = 0.5,
    structure: str = "unstructured",
    begin: float = 0.0,
    end: float = 0.6,
    skip: tuple[str, ...] | list[str] = (),
    teacher: Any = None,
    epochs: int = 2,
    learning_rate: float = 1e-3,
    distillation_losses: Any = None,
    student_loss_weight: Any = 0.5,
    temperature: float = 4.0,
    loss: Any = None,
    batch_size: int = 32,
    seed: int = 0,
    path: str | os.PathLike | None = None,
    representative_data: Any = None,
    class_names: list[str] | tuple[str, ...] | None = None,
    preprocessing: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
    threads: int = 2,
    progress: bool | None = None,
) -> Compressed:
    """Fine-tune a student while its smallest weights are set to zero, then export it.

    The share of zeros in each kernel rises along a cubic polynomial ("To Prune, or Not
    to Prune", Zhu and Gupta, 2017, arXiv:1710.01878), by TFMOT on the bridged student;
    the wrappers are stripped and the weights come back to Keras 3. Depthwise kernels
    and biases are not pruned. Zeros make the zip of a file smaller, not the file, and
    LiteRT's CPU kernels are not faster by them: no speed is to be expected.

    Args:
        student: A trained functional or Sequential model that gives logits. It is not
            changed.
        train_data: As in `quantize_aware`.
        sparsity: Share of zeros at the end, in (0, 1). Ignored for `"2:4"`.
        structure: `"unstructured"`; or `"2:4"`, two zeros in every four weights along
            the input channels, which sparse tensor cores take: 0.5 from the first
            step on, for kernels whose input channels are a multiple of 4.
        begin: Share of the training after which zeros begin to be set, in [0, 1).
        end: Share of it after which they are all set; the rest is for recovering.
        skip: Names of layers that keep their weights.
        teacher: As in `quantize_aware`.
        epochs: Times over the data, at least 1.
        learning_rate: Of Adam at the first step; falls to 0 along a cosine.
        distillation_losses: As in `quantize_aware`.
        student_loss_weight: As in `quantize_aware`.
        temperature: As in `quantize_aware`.
        loss: As in `quantize_aware`.
        batch_size: Of arrays.
        seed: Of dropout and of the order of arrays.
        path: The int8 `.tflite` file to write (and `<path>.json`); none if `None`.
        representative_data: For the int8 file, as in `kerakd.compress.quantize`; the
            first 128 training images if `None` (z-scored ones, too).
        class_names: Names of the logits; the data's if `None`.
        preprocessing: As in `kerakd.compress.quantize`.
        provenance: As in `kerakd.compress.quantize`.
        threads: CPU threads of the check.
        progress: Whether to show a bar; where there is a terminal if `None`.

    Returns:
        A `Compressed`; its report has `sparsity` of all pruned kernels, `layers` with
        that of each, and `gzip_bytes` of the file.

    Raises:
        RecipeError, DataError, ModelError: As in `quantize_aware`.

    Example:

    ```python
    result = kerakd.compress.prune(
        student, train, sparsity=0.8, teacher=teacher, epochs=5,
        path="run/student_pruned.tflite",
    )
    print(result.report["sparsity"], result.report["gzip_bytes"])
    ```
    """
    lesson = Lesson(epochs, learning_rate, batch_size, seed, progress)
    check_number("sparsity", sparsity, 0.0, 1.0)
    if structure not in STRUCTURES:
        raise RecipeError(
            f"`structure` is one of {', '.join(map(repr, STRUCTURES))}, not "
            f"{structure!r}."
        )
    if not 0 <= begin < end <= 1:
        raise RecipeError(
            f"`begin` and `end` are shares of the training, 0 <= begin < end <= 1; got "
            f"{begin!r} and {end!r}."
        )
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
    check_exportable(begun, representative_data)
    steps = epochs * begun.feed.steps_per_epoch
    paired = structure == "2:4"
    wrapper = _wrapper(sparsity, paired, int(begin * steps), round(end * steps))
    network, names = wrap_kernels(begun.legacy, wrapper, tuple(skip), 64)
    optimizer = make_optimizer(begun.feed, lesson)
    callback = tfmot().sparsity.keras.UpdatePruningStep()
    network.optimizer = optimizer
    callback.set_model(network)
    callback.on_train_begin()
    history = learn(
        network,
        begun.trainable(network),
        begun.objective,
        begun.feed,
        lesson,
        "Learning with fewer weights",
        each_step=lambda: callback.on_train_batch_begin(batch=-1),
        each_epoch=lambda: callback.on_epoch_end(batch=-1),
        optimizer=optimizer,
    )
    model = from_tf_keras(network, student)
    found = kernels(model, names)
    report = {
        "method": "pruning",
        "structure": structure,
        "wanted": 0.5 if paired else float(sparsity),
        "sparsity": float(
            sum((k == 0).sum() for k in found.values())
            / sum(k.size for k in found.values())
        ),
        "layers": {name: float((k == 0).mean()) for name, k in found.items()},
        "teacher": begun.objective.has_teacher,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "seed": seed,
        "history": history,
    }
    written = export_int8(
        begun, model, representative_data, report, preprocessing, provenance, threads
    )
    return Compressed(model, written, history, report)


def _wrapper(sparsity: float, paired: bool, begin: int, end: int) -> Any:
    """Wraps a layer with TFMOT's pruning."""
    sparse = tfmot().sparsity.keras
    frequency = max(1, (end - begin) // 20)
    if paired:
        schedule = sparse.ConstantSparsity(0.5, begin, frequency=frequency)
    else:
        schedule = sparse.PolynomialDecay(
            initial_sparsity=0.0,
            final_sparsity=sparsity,
            begin_step=begin,
            end_step=max(end, begin + 1),
            frequency=frequency,
        )

    def wrap(layer):
        fits = paired and layer.kernel.shape[-2] % 4 == 0
        if paired and not fits:
            return layer
        return sparse.prune_low_magnitude(
            layer, schedule, sparsity_m_by_n=(2, 4) if paired else None
        )

    return wrap


def is_two_in_four(kernel: np.ndarray) -> bool:
    """Whether every four weights along the input channels hold two zeros."""
    groups = np.moveaxis(kernel, -2, -1).reshape(-1, 4)
    return bool(((groups == 0).sum(1) >= 2).all())
