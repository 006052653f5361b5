"""A run's student as files for a phone, measured: `kerakd compress RUN`."""

import dataclasses
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.compress import Export, LiteRTModel, quantize, verify
from kerakd.compress.calibration import check_count
from kerakd.compress.measuring import benchmark_models
from kerakd.compress.modes import MODES
from kerakd.compress.requests import check_integer_options
from kerakd.data import ImageBatches, Samples, load_images, resolve, split
from kerakd.errors import DataError, RecipeError, nearest
from kerakd.evaluation import read_predictions
from kerakd.files import read_json, sha256_of
from kerakd.recipe import load_recipe
from kerakd.run import networks
from kerakd.run.assess import samples_of
from kerakd.run.compression_files import keep_figures
from kerakd.run.exporting import few
from kerakd.run.segmentation.opening import is_segmentation

# Share of validation answers that int8 may turn before layers are left in float.
_TURNED = 1 / 250
DEFAULT_MODES = ("float32", "float16", "dynamic", "int8")


def compress_run(
    run: str | os.PathLike,
    modes: Sequence[str] = DEFAULT_MODES,
    data: str | os.PathLike | None = None,
    *,
    on: str = "test",
    sensitive: bool | None = None,
    integer_only: bool = False,
    backend: str = "auto",
    images: int = 200,
    threads: int = 2,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Export the student of a run in several modes and measure every file.

    Beside the run's own files it writes `student_<mode>.tflite` with its JSON,
    `compression.json` (what is returned) and `figures/pareto.png`.

    Args:
        run: A run folder with `student.keras`, or a `.keras` file anywhere, whose
            exports are then written beside it, named after it.
        modes: Of `kerakd.compress.quantize`; float32 is always written, as what the
            others are compared with.
        data: The folder of the images, as in `kerakd.data.resolve`.
        on: The split that accuracy is measured on: `"test"` or `"validation"`.
        sensitive: Whether int8 leaves harmful layers in float. By default where int8
            without that turns more than one in 250 validation answers from right to
            wrong or back, and fewer with it.
        integer_only: Whether int8 may leave no operator in float.
        backend: Of int8: `"auto"`, `"converter"` or `"ai_edge_quantizer"`.
        images: How many training images calibrate an integer mode, at least 100.
        threads: CPU threads by which int8 is chosen.
        say: Told what is being done.

    Returns:
        Of a run with `task: segmentation` see
        `kerakd.run.segmentation.compressing.compress_segmentation`. Else what
        `benchmark_models` says, every variant with `verify` (agreement with the
        Keras student on the same images, accuracy of both and of every class), and
        with `quantization` (back end, candidates, warning) where it is int8; `teacher`
        where the run tells what its teacher says of these images.

    Raises:
        RecipeError: A mode or split is unknown.
        ModelError: There is no student, or it cannot be exported.
        DataError: The images are not found, or too few.
    """
    modes = _checked(modes)
    # What cannot be is told before other files are made, which takes a while.
    if any(MODES[mode].calibrated for mode in modes):
        check_count(images)
    if "int8" in modes:
        wanted = "auto" if sensitive else None
        check_integer_options("int8", backend, "pixels", None, integer_only, wanted)
    model_path, folder = _places(Path(run))
    if on not in ("test", "validation"):
        raise RecipeError(f"Accuracy is measured on test or validation, not on {on!r}.")
    if is_segmentation(folder):
        from kerakd.run.segmentation.compressing import compress_segmentation

        return compress_segmentation(
            model_path,
            folder,
            modes,
            data,
            on=on,
            sensitive=sensitive,
            integer_only=integer_only,
            backend=backend,
            images=images,
            threads=threads,
            provenance=_provenance(folder, model_path),
            tell=_tell_quantization,
            say=say,
        )
    model = networks.load_logits(model_path)
    samples = _samples(folder, data)
    networks.check_classes(model, model_path, samples.class_names)
    shape = tuple(model.input_shape[1:])
    training, judged = samples.subset("train"), samples.subset(on)
    if not len(judged):
        raise DataError(f"The images in {samples.root} have no {on} split.")
    pictures = ImageBatches(judged, shape[:2], channels=shape[2])
    provenance = _provenance(folder, model_path)

    def export(mode: str, **options: Any) -> Export:
        with warnings.catch_warnings():
            # What is slower than float32 is told by the figures.
            warnings.simplefilter("ignore", UserWarning)
            return quantize(
                model,
                mode,
                # Float modes are compared with Keras on these, others calibrated.
                training if MODES[mode].calibrated else few(training, shape),
                path=folder / f"{model_path.stem}_{mode}.tflite",
                class_names=samples.class_names,
                provenance=provenance,
                threads=threads,
                calibration_images=images,
                **options,
            )

    exports = {}
    for mode in modes:
        say(f"Export {mode}")
        options: dict[str, Any] = {}
        if mode == "int8":
            options = {
                "sensitive": "auto" if sensitive else None,
                "integer_only": integer_only,
                "backend": backend,
            }
        exports[mode] = export(mode, **options)
        validation = samples.subset("validation")
        if mode == "int8" and sensitive is None and not integer_only and validation:
            seen = ImageBatches(validation, shape[:2], channels=shape[2])
            changed = _changed(model, exports[mode], seen)
            if changed > _TURNED * len(validation):
                say(f"int8 turns {changed} validation answers; leave layers in float")
                better = export(mode, **options | {"sensitive": "auto"})
                if _changed(model, better, seen) < changed:
                    exports[mode] = better
                else:
                    exports[mode] = export(mode, **options)
    say(f"Measure speed, and accuracy on {len(judged)} {on} images")
    others = _teacher_logits(folder, judged) if on == "test" else {}
    figures = benchmark_models(
        [export.path for export in exports.values()], pictures, others=others
    )
    for variant, made in zip(figures["variants"], exports.values(), strict=True):
        variant["verify"] = verify(model, made.path, pictures)
        _tell_quantization(variant, made.report)
    figures |= {
        "model": model_path.name,
        "split": on,
        "class_names": list(samples.class_names),
        "teacher": "teacher" if others else None,
    }
    keep_figures(folder, figures, exports)
    return figures


def _changed(model: Any, export: Export, pictures: ImageBatches) -> int:
    """Of how many pictures one of model and file is right and the other wrong."""
    return verify(model, export.path, pictures)["labelled"]["correctness_changed"]


def pictures_for(
    file: str | os.PathLike, data: str | os.PathLike | None, on: str
) -> ImageBatches:
    """The labelled images that an exported file is measured on.

    Args:
        file: A `.tflite` file; where it lies in a run folder, the splits are the run's.
        data: The folder of the images, as in `kerakd.data.resolve`.
        on: `"train"`, `"validation"`, `"test"` or `"all"`.

    Raises:
        DataError: The images are not found, or there is no such split.
        ModelError: The file cannot be read.
    """
    path = Path(file)
    shape = LiteRTModel(path).input_shape[1:]
    samples = _samples(path.parent, data)
    if on != "all":
        samples = samples.subset(on)
    if not len(samples):
        raise DataError(f"The images in {samples.root} have no {on} split.")
    return ImageBatches(samples, shape[:2], channels=shape[2])


def _checked(modes: Sequence[str]) -> list[str]:
    for mode in modes:
        if mode not in MODES:
            raise RecipeError(f"There is no mode {mode!r}. {nearest(mode, MODES)}")
    return list(dict.fromkeys(["float32", *modes]))


def _places(run: Path) -> tuple[Path, Path]:
    """The student's file, and the folder to write into."""
    if run.suffix == ".keras":
        return run, run.parent
    if not run.is_dir():
        raise RecipeError(
            f"There is no run folder {run}; give one that `kerakd run` made, or a "
            ".keras file."
        )
    return run / "student.keras", run


def _samples(folder: Path, data: str | os.PathLike | None) -> Samples:
    """Those of the run; elsewhere the data set's own splits and 20% validation."""
    if (folder / "samples.csv").is_file():
        return samples_of(folder, data)
    return split(load_images(resolve(None, data)), seed=0, validation=0.2)


def _provenance(folder: Path, model_path: Path) -> dict[str, Any]:
    """Where the student comes from, as far as its folder tells."""
    known: dict[str, Any] = {
        "student": {"file": model_path.name, "sha256": sha256_of(model_path)}
    }
    if (folder / "recipe.yaml").is_file():
        recipe = load_recipe(folder / "recipe.yaml")
        known |= {
            "recipe": recipe.name,
            "teacher": recipe.teacher.model if recipe.teacher else None,
            "distillation": dataclasses.asdict(recipe.distillation),
        }
    if (folder / "metrics.json").is_file():
        metrics = read_json(folder / "metrics.json")
        models = metrics.get("models", {})
        known["metrics"] = {
            name: {
                key: one["test"][key]
                for key in ("accuracy", "macro_f1")
                if key in one["test"]
            }
            for name, one in models.items()
            if isinstance(one, dict) and isinstance(one.get("test"), dict)
        }
        known["versions"] = metrics.get("versions")
    return known


def _teacher_logits(folder: Path, judged: Samples) -> dict[str, np.ndarray]:
    """What the run's teacher said of the test images, in the order of the table."""
    path = folder / "predictions.csv"
    if not path.is_file():
        return {}
    said = read_predictions(path)
    place = {one: row for row, one in enumerate(said.ids)}
    if "teacher" not in said.logits or any(i not in place for i in judged.ids):
        return {}
    return {"teacher": said.logits["teacher"][[place[i] for i in judged.ids]]}


def _tell_quantization(variant: dict[str, Any], report: dict[str, Any]) -> None:
    told = {
        key: report[key]
        for key in (
            "representative",
            "backend",
            "chosen",
            "reason",
            "float_operators",
            "float_tensors",
            "prepared",
            "int8_over_float32",
            "warning",
            "candidates",
            "refused",
        )
        if key in report
    }
    if told:
        variant["quantization"] = told
