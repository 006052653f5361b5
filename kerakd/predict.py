"""An image in, an answer out, for `.keras` and `.tflite` files alike."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.data import decode, resize
from kerakd.errors import DataError, KerakdError, ModelError, RecipeError
from kerakd.evaluation.classification import probabilities
from kerakd.evaluation.logits import check_logits
from kerakd.files import read_json

_BATCH = 16
# Operators after which a foreign file's output is no logit any more.
_PROBABILITIES = ("SOFTMAX", "LOGISTIC")


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a model says about one image.

    Attributes:
        path: The image.
        class_name: The most probable class.
        probabilities: Class name to probability, most probable first; all classes, or
            as many as were asked for.
        note: What a reader should know about the answer; empty where nothing is.
    """

    path: Path
    class_name: str
    probabilities: dict[str, float]
    note: str = ""

    @property
    def probability(self) -> float:
        """That of the most probable class."""
        return self.probabilities[self.class_name]

    def as_dict(self) -> dict[str, Any]:
        """The same, JSON-able."""
        return {
            "path": str(self.path),
            "class": self.class_name,
            "probability": self.probability,
            "probabilities": self.probabilities,
            "note": self.note,
        }


def predict_images(
    model_path: str | os.PathLike,
    image_paths: str | os.PathLike | Iterable[str | os.PathLike],
    class_names: Sequence[str] | None = None,
    top: int | None = None,
) -> list[Prediction]:
    """Classify image files with a saved model.

    Images are decoded and resized as in training (`kerakd.data.decode` and `resize`).
    A `.tflite` file needs no TensorFlow.

    Args:
        model_path: A `.keras` file (a model, or a Distiller, whose student answers) or
            a `.tflite` file; raw pixels in, logits out.
        image_paths: One image file or several.
        class_names: One name per class. By default those stored in the `.tflite` file,
            or those in `<model>.json`, `metrics.json` or `samples.json` beside the
            `.keras` file. Where there are none, classes are called by their index, and
            each `note` says so.
        top: How many classes to give for each image; all by default.

    Returns:
        One `Prediction` per image, in the order given.

    Raises:
        ModelError: The model file is absent, damaged, of another kind, or gives no
            logits of classes.
        DataError: A file is absent or no image, or `class_names` has another length
            than the model has classes.
        RecipeError: `top` is below 1, or there are no images.

    Example:

    ```python
    from kerakd.predict import predict_images

    for answer in predict_images("run/student_float32.tflite", ["scan.png"], top=2):
        print(answer.path, answer.class_name, answer.probabilities)
    ```
    """
    if top is not None and top < 1:
        raise RecipeError(f"top must be at least 1, not {top}.")
    if isinstance(image_paths, str | os.PathLike):
        image_paths = [image_paths]
    image_paths = [Path(path) for path in image_paths]
    if not image_paths:
        raise RecipeError("There is no image to predict; name at least one file.")
    model = _open(Path(model_path))
    names, note = _names(model, class_names)
    rows = []
    for start in range(0, len(image_paths), _BATCH):
        paths = image_paths[start : start + _BATCH]
        images = [_pixels(path, model.input_shape) for path in paths]
        rows.append(probabilities(check_logits(model.run(np.stack(images)))))
    chances = np.concatenate(rows)
    return [
        _prediction(path, row, names, top, note)
        for path, row in zip(image_paths, chances, strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class _Model:
    """A saved model, whatever its kind."""

    path: Path
    run: Callable[[np.ndarray], np.ndarray]
    input_shape: tuple[int, int, int]
    classes: int
    class_names: Sequence[str] | None


def _open(path: Path) -> _Model:
    """Open a model file by its suffix."""
    openers = {".tflite": _open_tflite, ".keras": _open_keras}
    if path.suffix not in openers:
        raise ModelError(
            f"{path} is neither a .keras nor a .tflite file; give one of these."
        )
    if not path.is_file():
        raise ModelError(f"There is no model file {path}; check the path.")
    model = openers[path.suffix](path)
    height, width, channels = model.input_shape
    if None in (height, width) or channels not in (1, 3):
        raise ModelError(
            f"{path} takes images of shape {model.input_shape}; expected a fixed "
            "height and width, and 1 (grey) or 3 (RGB) channels."
        )
    return model


def _open_tflite(path: Path) -> _Model:
    from kerakd.compress import LiteRTModel

    model = LiteRTModel(path)
    last = model.last_operator()
    if last in _PROBABILITIES:
        raise ModelError(
            f"{path} ends in probabilities (operator {last}), not in logits; export it "
            "again with kerakd.compress.quantize(kerakd.models.with_logits(model))."
        )
    classes = _classes(path, model.output_shape)
    return _Model(path, model, model.input_shape[1:], classes, model.class_names)


def _open_keras(path: Path) -> _Model:
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
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise ModelError(
            f"{path} takes inputs of shape {shape}; expected one image input "
            "(batch, height, width, channels)."
        )
    classes = _classes(path, model.output_shape)
    return _Model(path, _runner(model), shape[1:], classes, _names_beside(path))


def _runner(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    def run(images):
        return np.asarray(model(images.astype(np.float32), training=False))

    return run


def _classes(path: Path, output_shape: Any) -> int:
    """How many classes a model tells apart; a single logit tells two."""
    if not isinstance(output_shape, tuple) or len(output_shape) != 2:
        raise ModelError(
            f"{path} gives an output of shape {output_shape}; expected one row of "
            "logits for each image, (batch, classes)."
        )
    return max(2, output_shape[1])


def _names_beside(path: Path) -> list[str] | None:
    """Class names in the files that a run leaves beside a `.keras` file."""
    for name in (path.stem + ".json", "metrics.json", "samples.json"):
        file = path.with_name(name)
        if file.is_file():
            try:
                found = _find_names(read_json(file))
            except KerakdError:  # a stranger's file of that name; the next may serve
                continue
            if found:
                return found
    return None


def _find_names(value: Any) -> list[str] | None:
    """The first `class_names` in a JSON value, outermost first."""
    if not isinstance(value, dict):
        return None
    names = value.get("class_names")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    return next(filter(None, map(_find_names, value.values())), None)


def _names(model: _Model, given: Sequence[str] | None) -> tuple[list[str], str]:
    """Names of the classes, and a note where they are only numbers."""
    names = list(map(str, given or model.class_names or ()))
    if not names:
        note = f"{model.path.name} carries no class names; classes are called by index"
        return [str(index) for index in range(model.classes)], note
    if len(names) != model.classes or len(set(names)) != len(names):
        raise DataError(
            f"{model.path} tells {model.classes} classes apart; class_names must be "
            f"as many different names, not {', '.join(names)}."
        )
    return names, ""


def _pixels(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """An image as the model takes it."""
    height, width, channels = shape
    return resize(decode(path, channels), (height, width))


def _prediction(
    path: Path, chances: np.ndarray, names: list[str], top: int | None, note: str
) -> Prediction:
    order = np.argsort(-chances, kind="stable")
    shown = {names[index]: float(chances[index]) for index in order[:top]}
    return Prediction(path, names[order[0]], shown, note)
