"""A case in, a mask out, for `.keras` and `.tflite` files alike."""

import copy
import dataclasses
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.data.volumes.cases import SCHEME_OF_LAYOUT, Case
from kerakd.data.volumes.layouts import find_cases
from kerakd.data.volumes.reading import CaseVolumes, read_case
from kerakd.data.volumes.schemes import (
    REGIONS,
    SCHEMES,
    LabelScheme,
    label_scheme,
    region,
)
from kerakd.data.volumes.writing import check_ending, write_mask
from kerakd.errors import DataError, RecipeError
from kerakd.segmenter import Segmenter, Watch

# Schemes that hold one kind of tumour, as a network of two classes tells it.
_ONE_KIND = ("tumour-1", "tumour-255")


@dataclasses.dataclass(frozen=True)
class CasePrediction:
    """What a model says about one case.

    Attributes:
        case: Its id.
        path: The mask that was written; None for none.
        overlay: The picture that was written; None for none.
        volumes_ml: Millilitres by region.
        scheme: The label scheme of the mask.
        seconds: Time of each step, and `"total"`; loading the model is not in it.
        peak_gigabytes: The most memory that this process has held.
        metrics: Against the case's own mask, where it has one; else None.
        notes: What a reader of the answer should know.
    """

    case: str
    path: Path | None
    overlay: Path | None
    volumes_ml: dict[str, float]
    scheme: str
    seconds: dict[str, float]
    peak_gigabytes: float
    metrics: dict[str, dict[str, Any]] | None
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same, JSON-able."""
        told = dataclasses.asdict(self)
        for name in ("path", "overlay"):
            told[name] = None if told[name] is None else str(told[name])
        return told | {"notes": list(self.notes)}


def open_case(path: str | os.PathLike) -> Case:
    """The one case that a folder, or a file of it, is.

    Raises:
        DataError: There is none, or there are several.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"There is no case {path}; give its folder.")
    cases = find_cases(path if path.is_dir() else path.parent)
    if not path.is_dir():
        cases = [case for case in cases if path in case.files]
    if len(cases) != 1:
        names = ", ".join(case.id for case in cases[:5]) or "none"
        raise DataError(
            f"{path} holds {len(cases)} cases ({names}); give the folder of one."
        )
    return cases[0]


def predict_case(
    model: str | os.PathLike | Segmenter,
    case: str | os.PathLike | Case,
    out: str | os.PathLike | None = None,
    *,
    modalities: Sequence[str] | None = None,
    scheme: str | LabelScheme | None = None,
    largest_component: bool | None = None,
    overlay: str | os.PathLike | None = None,
    measure: bool = True,
) -> CasePrediction:
    """Segment one case and write the mask on the case's own grid.

    Args:
        model: A `.keras` or `.tflite` file, or a `Segmenter`.
        case: The folder of a case, or a file of it.
        out: The mask to write, `.nii.gz` or `.nii`; affine, header and orientation
            are those of the case.
        modalities: See `Segmenter.open`.
        scheme: What the numbers in the mask mean. Of a network that tells parts of a
            tumour apart it is by default what the naming of the case says, and has to
            be given where that says nothing; of others `"tumour-1"`.
        largest_component: Whether to keep only the largest piece of tumour; by default
            as the run of the model was judged.
        overlay: A PNG to write: slices with the mask over them.
        measure: Whether the metrics are taken where the case has a mask of its own and
            its scheme is known.

    Raises:
        CaseError: The case cannot be read.
        ModelError: The model cannot be used.
        RecipeError: An argument does not fit the others.

    Example:

    ```python
    from kerakd.predict_case import predict_case

    answer = predict_case("runs/lgg/student.keras", "BraTS2021_00006", "mask.nii.gz")
    print(answer.volumes_ml, answer.seconds["total"])
    ```
    """
    if out is not None:
        check_ending(out)
    if not isinstance(case, Case):
        case = open_case(case)
    if not isinstance(model, Segmenter):
        segmenter = Segmenter.open(model, modalities, largest_component)
    elif largest_component is None:
        segmenter = model
    else:
        segmenter = copy.copy(model)
        segmenter.largest_component = largest_component
    written, of_truth = _schemes(segmenter, case, scheme)
    watch = Watch()
    with watch("read"):
        volumes = read_case(
            case, segmenter.modalities, of_truth, mask=measure and of_truth is not None
        )
    classes = segmenter.classes(volumes, watch)
    notes = list(volumes.notes)
    if out is not None:
        with watch("write"):
            write_mask(out, classes, volumes, written)
    if overlay is not None:
        with watch("overlay"):
            _draw(overlay, volumes, classes)
    seconds = watch.seconds | {"total": sum(watch.seconds.values())}
    if volumes.image is None:
        notes.append("The files tell no spacing: each voxel is taken as 1 mm")
    metrics = None
    if volumes.classes is not None:
        from kerakd.evaluation.segmentation import evaluate_case

        metrics = evaluate_case(
            volumes.classes, classes, volumes.spacing, segmenter.regions
        )
    millilitres = float(np.prod(volumes.spacing)) / 1000
    return CasePrediction(
        case.id,
        None if out is None else Path(out),
        None if overlay is None else Path(overlay),
        {
            name: int(np.count_nonzero(region(classes, name))) * millilitres
            for name in REGIONS
            if name in segmenter.regions
        },
        written.name,
        {step: round(spent, 3) for step, spent in seconds.items()},
        peak_gigabytes(),
        metrics,
        tuple(notes),
    )


def peak_gigabytes() -> float:
    """The most memory that this process has held, in 10^9 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e9, 3)


def _schemes(
    segmenter: Segmenter, case: Case, given: str | LabelScheme | None
) -> tuple[LabelScheme, LabelScheme | None]:
    """The scheme that the mask is written in, and that of the case's own mask."""
    given = None if given is None else label_scheme(given)
    told = SCHEME_OF_LAYOUT.get(case.layout)
    of_truth = label_scheme(told) if told else given
    if segmenter.target == "whole_tumour":
        if given is not None and given.name in _ONE_KIND:
            return given, of_truth if told else None
        # The input's own scheme, given for the sake of its truth, names parts that
        # such a network does not tell apart.
        return SCHEMES["tumour-1"], given or of_truth
    if given is None and told is None:
        raise RecipeError(
            f"The naming of the case {case.id} ({case.layout}) does not say which "
            "numbers stand for the parts of a tumour; name the label scheme with "
            f"scheme (--scheme), one of {', '.join(SCHEMES)}."
        )
    scheme = given or label_scheme(told)
    if scheme.name in _ONE_KIND and case.layout != "kaggle_3m":
        raise RecipeError(
            f"The scheme {scheme.name!r} holds one kind of tumour and the model tells "
            "three apart; choose one of the BraTS schemes."
        )
    return scheme, scheme


def _draw(path: str | os.PathLike, volumes: CaseVolumes, classes: np.ndarray) -> None:
    from kerakd.report.overlay import fullest_slices, plot_overlays

    masks = {"Prediction": classes}
    if volumes.classes is not None:
        masks["Truth"] = volumes.classes
        if classes.max(initial=0) <= 1:
            masks["Truth"] = (volumes.classes > 0).astype(np.uint8)
    chosen = fullest_slices(classes, 3)
    plot_overlays(
        [volumes.images[k, ..., 0] for k in chosen],
        {title: [mask[k] for k in chosen] for title, mask in masks.items()},
        path,
        captions=[f"slice {k + 1} of {len(classes)}" for k in chosen],
        compare=("Prediction", "Truth") if "Truth" in masks else None,
    )
