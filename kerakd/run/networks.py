"""The networks of a recipe: built, found on the disk, checked against the data."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras

import kerakd
from kerakd import models
from kerakd.data.sources import DATA_VARIABLE
from kerakd.errors import ModelError
from kerakd.files import read_json, replacing
from kerakd.recipe import NetworkSection, Recipe, TeacherSection

WEIGHTS_VARIABLE = "KERAKD_WEIGHTS"


def shape_of(section: NetworkSection | TeacherSection, channels: int) -> tuple:
    """The `(height, width, channels)` that a section asks for."""
    size = section.image_size
    height, width = (size, size) if isinstance(size, int) else size
    return (height, width, channels)


def build_network(
    section: NetworkSection | TeacherSection,
    recipe: Recipe,
    class_names: Sequence[str],
    weights: str | Path | None,
    name: str,
) -> keras.Model:
    """A network of a recipe with its starting weights.

    Args:
        section: `recipe.student` or `recipe.teacher`.
        recipe: For the channels.
        class_names: One logit each.
        weights: What `find_weights` gave.
        name: The section's name in the recipe, for errors.

    Raises:
        ModelError: The section names no such network, option or weights.
    """
    try:
        return models.build(
            section.model,
            len(class_names),
            shape_of(section, recipe.data.channels),
            weights=weights,
            **section.options,
        )
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from error
    except TypeError as error:
        raise ModelError(f"{name}.options: {error}.") from error


def find_weights(
    weights: str | None, places: Iterable[str | os.PathLike | None]
) -> str | Path | None:
    """The file that a recipe's `weights` means.

    Args:
        weights: None, `imagenet`, or a path; a relative one is looked for in `places`.
        places: Folders, None for one that is not set.

    Raises:
        ModelError: There is no such file; the folders searched are named.
    """
    if weights is None or weights == "imagenet":
        return weights
    return _find(weights, places, "weights file", "--weights")


def weights_places(
    recipe_folder: str | os.PathLike | None,
    weights_folder: str | os.PathLike | None,
    data: str | os.PathLike | None = None,
) -> list[Path]:
    """Where weights are looked for: beside the recipe, `--weights`, beside `--data`."""
    data = data or os.environ.get(DATA_VARIABLE)
    places = [
        recipe_folder,
        weights_folder or os.environ.get(WEIGHTS_VARIABLE),
        Path(data).parent / "weights" if data else None,
    ]
    return [Path(place) for place in places if place]


def load_teachers(
    section: TeacherSection,
    class_names: Sequence[str],
    places: Iterable[str | os.PathLike | None],
    num_channels: int,
) -> list[tuple[keras.Model, Path]]:
    """Teachers already trained, each with its file.

    Raises:
        ModelError: A file is absent or cannot be loaded, or tells other classes apart.
    """
    found = []
    for name in section.files:
        path = _find(name, places, "teacher file", "teacher.file")
        model = load_logits(path)
        check_classes(model, path, class_names)
        shape = model.input_shape
        if len(shape) != 4 or shape[-1] != num_channels:
            raise ModelError(
                f"The teacher {path} takes inputs of shape {shape}, and the recipe "
                f"reads images of {num_channels} channel(s); set `data.channels`, or "
                "choose another teacher."
            )
        found.append((model, path))
    return found


def teacher_files(folder: Path) -> list[Path]:
    """The teachers of a run: `teacher.keras`, or `teacher_0.keras` and so on."""
    files = [*folder.glob("teacher.keras"), *folder.glob("teacher_*.keras")]
    return sorted(f for f in files if f.stem == "teacher" or f.stem[8:].isdigit())


def load_logits(path: Path) -> keras.Model:
    """A model from anywhere, or the student of a Distiller, if it ends in logits.

    Raises:
        ModelError: The file cannot be loaded, or the model gives probabilities.
    """
    model = kerakd.load(path, compile=False)
    model = getattr(model, "student", model)
    fits, reason = models.ends_in_logits(model)
    if not fits:
        raise ModelError(
            f"{path} gives probabilities ({reason}), not logits; save "
            "kerakd.models.with_logits(model) instead."
        )
    return model


def check_classes(model: keras.Model, path: Path, class_names: Sequence[str]) -> None:
    """Refuse a model for other classes, by their number and, where known, by name."""
    count = model.output_shape[-1]
    names = names_beside(path)
    if count != len(class_names):
        theirs = f" ({', '.join(names)})" if names and len(names) == count else ""
        raise ModelError(
            f"The model {path} tells {count} classes apart{theirs}, the data have "
            f"{len(class_names)} ({', '.join(class_names)}); use a model trained on "
            "these classes."
        )
    if names and list(names) != list(class_names):
        raise ModelError(
            f"The model {path} was trained on the classes {', '.join(names)}, the data "
            f"have {', '.join(class_names)}; use a model trained on these classes."
        )


def names_beside(path: Path) -> list[str] | None:
    """Class names in the metrics or the samples of the run that a model lies in."""
    for name in ("metrics.json", "samples.json"):
        file = path.with_name(name)
        if file.is_file():
            found = read_json(file)
            if not isinstance(found, dict):
                continue
            if found.get("class_names"):
                return [str(one) for one in found["class_names"]]
            if found.get("task") == "segmentation":
                return None  # the samples' labels are of slices, not of pixels
    return None


def save_network(model: keras.Model, path: Path) -> None:
    """Write a network without its optimizer, whole or not at all."""
    # A fresh model of the same graph carries no compile() state, which would triple
    # the file.
    bare = keras.Model(model.input, model.output, name=model.name)
    with replacing(path) as temporary:
        bare.save(temporary)


def load_network(path: Path) -> keras.Model:
    """A network that `save_network` wrote."""
    return kerakd.load(path, compile=False)


def describe_network(section: Any, shape: Sequence[int]) -> str:
    """`mobilenet_v2 (alpha 0.35), 128 px`: what a network is called in tables."""
    options = ", ".join(
        f"{key} {value}"
        for key, value in section.options.items()
        if key not in ("dropout", "batch_norm_momentum")
    )
    size = f"{shape[0]} px" if shape[0] == shape[1] else f"{shape[0]}x{shape[1]} px"
    return f"{section.model}{f' ({options})' if options else ''}, {size}"


def _find(
    name: str, places: Iterable[str | os.PathLike | None], what: str, option: str
) -> Path:
    path = Path(name).expanduser()
    tried = [path] if path.is_absolute() else []
    if not path.is_absolute():
        tried = [Path(place) / path for place in places if place] + [path]
    for candidate in tried:
        if candidate.is_file():
            return candidate
    folders = ", ".join(str(candidate.parent) for candidate in dict.fromkeys(tried))
    raise ModelError(
        f"There is no {what} {path.name} in {folders}; put it there, or name its "
        f"{'folder' if option.startswith('--') else 'path'} with {option}."
    )
