"""A network, and all that lies between a case's files and its logits."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.data.volumes.normalising import normalise
from kerakd.data.volumes.reading import CaseVolumes
from kerakd.data.volumes.schemes import TARGETS
from kerakd.data.volumes.slicing import logits_to_classes, resize_linear
from kerakd.data.volumes.table import check_modalities
from kerakd.errors import KerakdError, ModelError, RecipeError
from kerakd.files import read_json

_BATCH = 16


class Segmenter:
    """A network with all that lies between a case's files and its logits.

    Args:
        run: From slices float32 `(n, height, width, channels)` to logits
            `(n, height, width, classes)`.
        input_shape: `(height, width, channels)`.
        modalities: The channels.
        target: What the logits tell apart, see `kerakd.data.volumes.TARGETS`.
        largest_component: Whether only the largest piece of tumour of a case is its
            answer.
    """

    def __init__(
        self,
        run: Callable[[np.ndarray], np.ndarray],
        input_shape: tuple[int, int, int],
        modalities: Sequence[str],
        target: str,
        largest_component: bool = False,
    ):
        self.run = run
        self.input_shape = tuple(input_shape)
        self.modalities = check_modalities(modalities)
        self.target = target
        self.largest_component = largest_component
        if len(self.modalities) != self.input_shape[2]:
            raise RecipeError(
                f"The model takes {self.input_shape[2]} channels and modalities names "
                f"{len(self.modalities)} ({', '.join(self.modalities)}); name as many, "
                "in the order of its training."
            )

    @classmethod
    def open(
        cls,
        path: str | os.PathLike,
        modalities: Sequence[str] | None = None,
        largest_component: bool | None = None,
    ) -> "Segmenter":
        """Open a model file.

        Args:
            path: A `.keras` file (a model, or a Distiller, whose student answers) or a
                `.tflite` file.
            modalities: Its channels; by default what the run that made it tells
                (`metrics.json` or `<model>.json` beside it, or the file itself).
            largest_component: As in `Segmenter`; by default what is told likewise,
                and False where nothing is.

        Raises:
            ModelError: The file is absent, damaged, or no model that segments.
            RecipeError: The channels are not told, or are not as many.
        """
        path = Path(path)
        openers = {".tflite": _open_tflite, ".keras": _open_keras}
        if path.suffix not in openers:
            raise ModelError(
                f"{path} is neither a .keras nor a .tflite file; give one of these."
            )
        if not path.is_file():
            raise ModelError(f"There is no model file {path}; check the path.")
        run, shape, output, told = openers[path.suffix](path)
        if None in shape or len(output) != 4 or output[1:3] != shape[:2]:
            raise ModelError(
                f"{path} takes inputs of shape {shape} and gives {output[1:]}; to "
                "segment a case it must give logits for each pixel of its input, as "
                "unet_student does."
            )
        told = told or _told_beside(path)
        modalities = modalities or told.get("modalities")
        if not modalities:
            raise RecipeError(
                f"{path.name} does not tell what its {shape[2]} channels are; name "
                "them with modalities (--modalities flair,t1ce,t2), in the order of "
                "its training."
            )
        counts = {len(names): key for key, (names, _) in TARGETS.items()}
        if output[3] not in counts:
            raise ModelError(
                f"{path} tells {output[3]} classes apart; expected 2 (tumour or not) "
                "or 4 (core, oedema, enhancing tumour, or none)."
            )
        if largest_component is None:
            largest_component = told.get("largest_component") is True
        return cls(run, shape, modalities, counts[output[3]], largest_component)

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that its classes make."""
        return TARGETS[self.target][1]

    def classes(self, volumes: CaseVolumes, watch: "Watch | None" = None) -> np.ndarray:
        """Segment a case.

        Slices without brain are not shown to the network: nothing is there.

        Args:
            volumes: From `read_case`, with this network's modalities.
            watch: Times the steps.

        Returns:
            Classes inside kerakd on the grid of the case, uint8
            `(slices, height, width)`.
        """
        watch = watch or Watch()
        with watch("normalise"):
            images, brain = normalise(volumes)
            kept = np.flatnonzero(brain.any(axis=(1, 2)))
            size = images.shape[1:3]
            slices = resize_linear(images[kept], self.input_shape[:2])
            del images
        with watch("network"):
            logits = np.concatenate(
                [
                    self.run(slices[start : start + _BATCH])
                    for start in range(0, len(slices), _BATCH)
                ]
            )
        if not np.isfinite(logits).all():
            raise ModelError(
                "The model gives logits that are no numbers; train or export it again."
            )
        with watch("resize back"):
            found = np.zeros(brain.shape, np.uint8)
            found[kept] = logits_to_classes(logits, size, self.target)
        if self.largest_component:
            with watch("largest component"):
                found = keep_largest(found)
        return found


def keep_largest(classes: np.ndarray) -> np.ndarray:
    """The largest piece of tumour alone; all classes of it.

    Args:
        classes: uint8 `(slices, height, width)`. A piece hangs together by faces, edges
            or corners.
    """
    from scipy import ndimage

    pieces, count = ndimage.label(classes > 0, np.ones((3, 3, 3), bool))
    if count < 2:
        return classes
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.where(pieces == sizes.argmax(), classes, 0).astype(np.uint8)


class Watch:
    """Seconds by step."""

    def __init__(self):
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        spent = time.perf_counter() - start
        self.seconds[step] = self.seconds.get(step, 0.0) + spent


def _open_tflite(path: Path) -> tuple:
    from kerakd.compress import LiteRTModel

    model = LiteRTModel(path)
    told = model.metadata.get("preprocessing")
    told = told if isinstance(told, dict) and "modalities" in told else {}
    return model, model.input_shape[1:], model.output_shape, told


def _open_keras(path: Path) -> tuple:
    import tensorflow as tf

    import kerakd
    from kerakd.models import ends_in_logits

    model = kerakd.load(path, compile=False)
    model = getattr(model, "student", model)
    fits, reason = ends_in_logits(model)
    if not fits:
        raise ModelError(
            f"{path} does not end in logits ({reason}); save "
            "kerakd.models.with_logits(model) instead."
        )
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise ModelError(
            f"{path} takes inputs of shape {shape}; expected one image input "
            "(batch, height, width, channels)."
        )
    output = model.output_shape
    output = output if isinstance(output, tuple) else ()
    return keras_runner(model, tf), shape[1:], output, {}


def keras_runner(model: Any, tf: Any = None) -> Callable[[np.ndarray], np.ndarray]:
    """A Keras model as a function from arrays to arrays, traced once."""
    if tf is None:
        import tensorflow as tf
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)]
    forward = tf.function(
        lambda x: model(x, training=False), input_signature=signature, autograph=False
    )
    return lambda slices: forward(tf.constant(slices, tf.float32)).numpy()


def _told_beside(path: Path) -> dict[str, Any]:
    """What the run that a model lies in tells of its channels."""
    for name in (path.stem + ".json", "metrics.json"):
        file = path.with_name(name)
        if file.is_file():
            try:
                found = read_json(file)
            except KerakdError:  # a stranger's file of that name
                continue
            if isinstance(found, dict) and isinstance(found.get("segmentation"), dict):
                return found["segmentation"]
    return {}
