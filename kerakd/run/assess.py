"""A trained model on labelled images, for `kerakd evaluate`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.data import ImageBatches, Samples, load_images, resolve
from kerakd.errors import DataError, ModelError, RecipeError, nearest
from kerakd.evaluation import (
    bootstrap_intervals,
    calibration,
    classification_metrics,
    predict_logits,
    reliability,
)
from kerakd.files import read_json
from kerakd.recipe import load_recipe
from kerakd.run import networks
from kerakd.run.auditing import CLUSTERS, read_clusters
from kerakd.run.external import judge_external, load_external
from kerakd.run.leaks import NOT_LOOKED, Leaks
from kerakd.run.samples import PHANTOM

SPLITS = ("train", "validation", "test", "all")
_ROLES = {"student_baseline": "baseline"}


def evaluate_file(
    model: str | os.PathLike,
    data: str | os.PathLike | None = None,
    split: str = "test",
) -> dict[str, Any]:
    """Metrics of a saved model, on all images and on those without a copy in training.

    Args:
        model: A `.keras` or `.tflite` file. Where it lies in a run folder, the images
            and splits are those of the run.
        data: The folder of the images, as in `kerakd.data.resolve`.
        split: `"train"`, `"validation"`, `"test"` or `"all"`.

    Returns:
        The metrics of `kerakd.evaluation.classification_metrics`; `intervals` that
        resample groups (`bootstrap_intervals`); `calibration`, as it is and, where the
        run knows a temperature, scaled; `without_copies`, all of these for the test
        images without a copy in training, or `None`; and `leaks`, a sentence on that.

    Raises:
        ModelError: The model cannot be loaded, or tells other classes apart.
        DataError: The images cannot be read, or there is no such split.
        RecipeError: `split` is unknown.
    """
    path = Path(model)
    if split not in SPLITS:
        raise RecipeError(f"There is no split {split!r}. {nearest(split, SPLITS)}")
    runner, shape = open_model(path)
    if (path.parent / "samples.csv").is_file():
        samples = samples_of(path.parent, data)
    else:
        samples = load_images(resolve(None, data))
    if split != "all" and split not in samples.counts:
        raise DataError(
            f"The images in {samples.root} have no {split} split (there are: "
            f"{', '.join(filter(None, samples.counts)) or 'none'}); choose another "
            "with --split, or take all with --split all."
        )
    leaks = _leaks(path.parent, samples)
    chosen = samples if split == "all" else samples.subset(split)
    groups = leaks.groups if split == "all" else leaks.groups_of(samples, split)
    pictures = ImageBatches(chosen, shape[:2], channels=shape[2])
    logits, labels = predict_logits(runner, pictures)
    temperature = _temperature(path)

    def measured(rows: np.ndarray) -> dict[str, Any]:
        return _measured(
            labels[rows], logits[rows], samples.class_names, groups[rows], temperature
        )

    found = measured(np.arange(len(labels)))
    found["leaks"], found["without_copies"] = _sentence(leaks, split), None
    if split == "test" and leaks.has_copy is not None and not leaks.has_copy.all():
        found["without_copies"] = measured(np.flatnonzero(~leaks.has_copy))
    return found


def evaluate_external(
    model: str | os.PathLike,
    external: str | os.PathLike,
    data: str | os.PathLike | None = None,
    mapping: Mapping[str, str | Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Metrics of a saved model on images from elsewhere.

    Args:
        model: A `.keras` or `.tflite` file whose class names are known: one with
            metadata, or one that lies in a run folder.
        external: A folder of class folders, all of whose images are taken, or a name
            below `data`.
        data: As in `kerakd.data.resolve`.
        mapping: As `given` in `kerakd.evaluation.find_counterparts`.

    Returns:
        What `kerakd.run.external.judge_external` gives, of the model `"model"`.

    Raises:
        ModelError: The model cannot be loaded, or its class names are not known.
        DataError: The images cannot be read, or the classes do not match.
    """
    path = Path(model)
    runner, shape = open_model(path)
    names = getattr(runner, "class_names", None) or networks.names_beside(path)
    if not names:
        raise ModelError(
            f"The names of the classes of {path} are not known (there is no "
            "metrics.json or samples.json beside it); evaluate the file in its run "
            "folder."
        )
    samples = load_external(external, data)
    return judge_external(samples, names, {"model": ([runner], shape)}, mapping)


def samples_of(run: str | os.PathLike, data: str | os.PathLike | None) -> Samples:
    """The samples of a run with their images.

    Args:
        run: The run folder.
        data: As in `kerakd.data.resolve`; not needed for a phantom.

    Raises:
        DataError: The run has no samples, or their images are not found.
    """
    run = Path(run)
    source = load_recipe(run / "recipe.yaml").data.source
    root = run / PHANTOM if source == PHANTOM else resolve(source, data)
    return Samples.load(run / "samples.csv", root=root)


def _measured(
    labels: np.ndarray,
    logits: np.ndarray,
    names: Sequence[str],
    groups: np.ndarray,
    temperature: float | None,
) -> dict[str, Any]:
    # First, as it says in words that the model tells other classes apart.
    metrics = classification_metrics(labels, logits, names)
    if temperature is None:
        as_it_is = {"as_it_is": reliability(labels, logits)}
    else:
        as_it_is = calibration(labels, logits, temperature)
    return {
        **metrics,
        "intervals": bootstrap_intervals(labels, logits, groups),
        "calibration": as_it_is,
    }


def _leaks(run: Path, samples: Samples) -> Leaks:
    path = run / CLUSTERS
    known = path.is_file() and (run / "samples.csv").is_file()
    return Leaks.of(samples, read_clusters(path) if known else None)


def _sentence(leaks: Leaks, split: str) -> str:
    if leaks.has_copy is None:
        return f"{NOT_LOOKED}; `kerakd audit` does it for any folder."
    if split != "test":
        return "Copies in training are told for the test images alone (--split test)."
    told = leaks.told
    return (
        f"{told['with_a_copy']} of {told['test_images']} test images have a copy in "
        "training or validation."
    )


def _temperature(path: Path) -> float | None:
    """What the run fitted for this model on its validation images."""
    file = path.parent / "calibration.json"
    if not file.is_file():
        return None
    known = read_json(file)
    temperatures = known.get("temperatures") if isinstance(known, dict) else None
    found = (temperatures or {}).get(_ROLES.get(path.stem, path.stem))
    return found if isinstance(found, int | float) and found > 0 else None


def open_model(path: Path) -> tuple[Any, tuple[int, int, int]]:
    """A model file as a runner, and the pictures that it takes."""
    if not path.is_file():
        raise ModelError(f"There is no model file {path}; check the path.")
    if path.suffix == ".tflite":
        from kerakd.compress import LiteRTModel

        runner = LiteRTModel(path)
        return runner, runner.input_shape[1:]
    model = networks.load_logits(path)
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:]:
        raise ModelError(
            f"{path} takes inputs of shape {shape}; evaluation needs one image input "
            "of a fixed size."
        )
    return model, shape[1:]
