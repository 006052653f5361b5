"""A trained model on labelled images, for `kerakd evaluate`."""

import os
from pathlib import Path
from typing import Any

from kerakd.data import ImageBatches, Samples, load_images, resolve
from kerakd.errors import DataError, ModelError, RecipeError, nearest
from kerakd.evaluation import classification_metrics, predict_logits
from kerakd.recipe import load_recipe
from kerakd.run import networks
from kerakd.run.samples import PHANTOM

SPLITS = ("train", "validation", "test", "all")


def evaluate_file(
    model: str | os.PathLike,
    data: str | os.PathLike | None = None,
    split: str = "test",
) -> dict[str, Any]:
    """Metrics of a saved model.

    Args:
        model: A `.keras` or `.tflite` file. Where it lies in a run folder, the images
            and splits are those of the run.
        data: The folder of the images, as in `kerakd.data.resolve`.
        split: `"train"`, `"validation"`, `"test"` or `"all"`.

    Returns:
        The metrics of `kerakd.evaluation.classification_metrics`.

    Raises:
        ModelError: The model cannot be loaded, or tells other classes apart.
        DataError: The images cannot be read, or there is no such split.
        RecipeError: `split` is unknown.
    """
    path = Path(model)
    if split not in SPLITS:
        raise RecipeError(f"There is no split {split!r}. {nearest(split, SPLITS)}")
    runner, shape = _open(path)
    if (path.parent / "samples.csv").is_file():
        samples = samples_of(path.parent, data)
    else:
        samples = load_images(resolve(None, data))
    if split != "all":
        if split not in samples.counts:
            raise DataError(
                f"The images in {samples.root} have no {split} split (there are: "
                f"{', '.join(filter(None, samples.counts)) or 'none'}); choose another "
                "with --split, or take all with --split all."
            )
        samples = samples.subset(split)
    pictures = ImageBatches(samples, shape[:2], channels=shape[2])
    logits, labels = predict_logits(runner, pictures)
    return classification_metrics(labels, logits, samples.class_names)


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


def _open(path: Path) -> tuple[Any, tuple[int, int, int]]:
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
