"""Weight clustering: each kernel learns to make do with a few values."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from kerakd.compress.aware.integers import check_exportable, export_int8
from kerakd.compress.aware.kernels import kernels, wrap_kernels
from kerakd.compress.aware.learning import learn
from kerakd.compress.aware.result import Compressed
from kerakd.compress.aware.settings import Lesson, check_whole
from kerakd.compress.aware.start import start
from kerakd.compress.bridge.convert import from_tf_keras
from kerakd.compress.bridge.legacy import tfmot
from kerakd.compress.silence import quiet
from kerakd.errors import RecipeError

if TYPE_CHECKING:
    import keras

BEGINNINGS = {
    "kmeans++": "KMEANS_PLUS_PLUS",
    "linear": "LINEAR",
    "density": "DENSITY_BASED",
    "random": "RANDOM",
}


def cluster(
    student: "keras.Model",
    train_data: Any,
    *,
    clusters: int = 16,
    beginning: str = "kmeans++",
    skip: tuple[str, ...] | list[str] = (),
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
    representative_data: Any = None,
    class_names: list[str] | tuple[str, ...] | None = None,
    preprocessing: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
    threads: int = 2,
    progress: bool | None = None,
) -> Compressed:
    """Fine-tune a student whose kernels hold a few values each, then export it.

    The weights of a kernel are grouped around `clusters` centroids, and the centroids
    learn ("Deep Compression", Han et al., ICLR 2016, arXiv:1510.00149), by TFMOT on
    the bridged student; the wrappers are stripped and the weights come back to
    Keras 3. Depthwise kernels and biases are not clustered. Few values make the zip
    of a file smaller, not the file; no speed is to be expected.

    Args:
        student: A trained functional or Sequential model that gives logits. It is not
            changed.
        train_data: As in `quantize_aware`.
        clusters: Values in each kernel, at least 2. Kernels with fewer weights than
            four times as many stay as they are.
        beginning: Where centroids begin: `"kmeans++"`, `"linear"`, `"density"` or
            `"random"`.
        skip: Names of layers that keep their weights.
        teacher: As in `quantize_aware`.
        epochs: Times over the data, at least 1.
        learning_rate: Of Adam at the first step; falls to 0 along a cosine.
        distillation_losses: As in `quantize_aware`.
        student_loss_weight: As in `quantize_aware`.
        temperature: As in `quantize_aware`.
        loss: As in `quantize_aware`.
        batch_size: Of arrays.
        seed: Of dropout, of the centroids and of the order of arrays.
        path: The int8 `.tflite` file to write (and `<path>.json`); none if `None`.
        representative_data: For the int8 file, as in `kerakd.compress.quantize`; the
            first 128 training images if `None` (z-scored ones, too).
        class_names: Names of the logits; the data's if `None`.
        preprocessing: As in `kerakd.compress.quantize`.
        provenance: As in `kerakd.compress.quantize`.
        threads: CPU threads of the check.
        progress: Whether to show a bar; where there is a terminal if `None`.

    Returns:
        A `Compressed`; its report has `layers` with the number of values in each
        clustered kernel, and `gzip_bytes` of the file.

    Raises:
        RecipeError, DataError, ModelError: As in `quantize_aware`.

    Example:

    ```python
    result = kerakd.compress.cluster(
        student, train, clusters=16, teacher=teacher, path="run/student_16.tflite"
    )
    print(result.report["gzip_bytes"])
    ```
    """
    lesson = Lesson(epochs, learning_rate, batch_size, seed, progress)
    check_whole("clusters", clusters, 2)
    if beginning not in BEGINNINGS:
        raise RecipeError(
            f"`beginning` is one of {', '.join(map(repr, BEGINNINGS))}, not "
            f"{beginning!r}."
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
    clustering = tfmot().clustering.keras
    first = getattr(clustering.CentroidInitialization, BEGINNINGS[beginning])

    def wrapper(layer):
        return clustering.cluster_weights(
            layer, number_of_clusters=int(clusters), cluster_centroids_init=first
        )

    network, names = wrap_kernels(begun.legacy, wrapper, tuple(skip), 4 * clusters)
    history = learn(
        network,
        _learning(begun, network),
        begun.objective,
        begun.feed,
        lesson,
        "Learning with few values",
    )
    with quiet():
        stripped = clustering.strip_clustering(network)
    model = from_tf_keras(stripped, student)
    report = {
        "method": "clustering",
        "clusters": int(clusters),
        "layers": {
            name: len(np.unique(kernel))
            for name, kernel in kernels(model, names).items()
        },
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


def _learning(begun: Any, network: Any) -> list:
    """The student's own variables that learn, and the centroids of those kernels."""
    frozen = {
        layer.name.removeprefix("cluster_")
        for layer in network.layers
        if not begun.legacy.get_layer(layer.name.removeprefix("cluster_")).trainable
    }
    return [
        variable
        for layer in network.layers
        if layer.name.removeprefix("cluster_") not in frozen
        for variable in layer.trainable_weights
    ]
