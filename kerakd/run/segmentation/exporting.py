"""A student of z-scored slices as LiteRT files, and what they keep of its masks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerakd.compress import Export, LiteRTModel, quantize
from kerakd.compress.modes import MODES
from kerakd.data.volumes.batches import SliceBatches
from kerakd.data.volumes.reading import read_case
from kerakd.data.volumes.store import SliceStore
from kerakd.data.volumes.table import Volumes
from kerakd.evaluation.segmentation import METRICS, evaluate_case, summarise
from kerakd.recipe import VolumesSection
from kerakd.segmenter import Segmenter

_COMPARED = 64  # slices on which a float file is compared with Keras
KERAS = "student"


def export_student(
    model: keras.Model,
    mode: str,
    store: SliceStore,
    path: Path,
    about: Mapping[str, Any],
    **options: Any,
) -> Export:
    """Write one file that takes z-scored slices.

    Args:
        model: The student.
        mode: Of `kerakd.compress.quantize`; integer modes are calibrated on training
            slices, with tumour and without alike.
        store: The slices of the run.
        path: The file.
        about: `segmentation` of `metrics.json`: modalities, target, normalisation.
        **options: Others of `quantize`.
    """
    slices = SliceBatches(store, "train")
    given: Any = slices
    if not MODES[mode].calibrated:
        rows = np.linspace(0, len(slices.samples) - 1, _COMPARED)
        given = slices.slices(np.unique(rows.astype(int)))
    return quantize(
        model,
        mode,
        given,
        path=path,
        inputs="values",
        class_names=list(store.class_names),
        preprocessing=dict(about),
        **options,
    )


def segmenter_of_file(
    path: Path, store: SliceStore, section: VolumesSection
) -> Segmenter:
    """An exported file of a run as it segments cases."""
    model = LiteRTModel(path)
    return Segmenter(
        model,
        model.input_shape[1:],
        store.modalities,
        store.target,
        section.largest_component,
    )


def compare(
    volumes: Volumes,
    section: VolumesSection,
    segmenters: Mapping[str, Segmenter],
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Segment cases with Keras's student and with its files, and compare the masks.

    Args:
        volumes: The cases, those of one split.
        section: For the policy on empty masks and the tolerance.
        segmenters: By name; that of Keras is `"student"`, and there may be others.
        seed: Of the intervals.

    Returns:
        By name: `regions` (of each the `summarise`d metrics), `difference` to the
        student on the same patients (mean and interval of file less student, by region
        and metric), and `voxel_agreement` with each other one, the share of all voxels
        that are in the same class.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in segmenters}
    equal = {name: dict.fromkeys(segmenters, 0) for name in segmenters}
    voxels = 0
    for case in volumes.cases:
        read = read_case(case, volumes.modalities, volumes.scheme)
        said = {name: one.classes(read) for name, one in segmenters.items()}
        voxels += read.classes.size
        for name, classes in said.items():
            found[name][case.id] = evaluate_case(
                read.classes,
                classes,
                read.spacing,
                segmenters[name].regions,
                empty=section.empty,
                tolerance=section.tolerance,
            )
            for other, theirs in said.items():
                equal[name][other] += int(np.count_nonzero(classes == theirs))
    patients = volumes.samples.groups.tolist()
    return {
        name: {
            "regions": summarise(cases, patients, seed=seed),
            "difference": _difference(cases, found[KERAS], patients, seed),
            "voxel_agreement": {k: n / voxels for k, n in equal[name].items()},
        }
        for name, cases in found.items()
    }


def _difference(
    cases: Mapping[str, Any], student: Mapping[str, Any], patients: list, seed: int
) -> dict[str, dict[str, Any]]:
    """`summarise` of file less student, patient by patient."""
    less = {
        case: {
            region: {key: mine[key] - student[case][region][key] for key in METRICS}
            for region, mine in regions.items()
        }
        for case, regions in cases.items()
    }
    return summarise(less, patients, seed=seed)
