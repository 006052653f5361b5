"""The figures that a run folder's own files allow to be drawn."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerakd.errors import DataError
from kerakd.evaluation.predictions import read_predictions
from kerakd.report.confusion import plot_confusion
from kerakd.report.curves import plot_history
from kerakd.report.gallery import plot_gallery
from kerakd.report.lines import ALL, CLEAN
from kerakd.report.reliability import plot_reliability
from kerakd.report.run_folder import RunFolder
from kerakd.report.style import in_order, named_for, title

if TYPE_CHECKING:
    from kerakd.data import Samples


def draw_figures(
    run_folder: str | os.PathLike, samples: "Samples | None" = None
) -> list[Path]:
    """Draw curves, confusion matrices, calibration and the gallery into `figures/`.

    The comparison of teacher and student needs the models themselves; it is drawn by
    `visualize_classification_kd`.

    Args:
        run_folder: A folder with `history_<model>.csv`, `metrics.json` and
            `predictions.csv`; what is absent is not drawn.
        samples: The table of samples, with the folder of its images; without it no
            gallery is drawn.

    Returns:
        The figures drawn.

    Raises:
        DataError: One of these files cannot be read.
    """
    run = RunFolder.open(run_folder)
    with named_for(run.metrics):
        return _draw(run, samples)


def _draw(run: RunFolder, samples: "Samples | None") -> list[Path]:
    drawn = []
    histories = {model: _history(file) for model, file in run.histories.items()}
    histories = {model: table for model, table in histories.items() if len(table)}
    if histories:
        plot_history(histories, run.figure("history"))
        drawn.append(run.figure("history"))
    for model, known in run.models.items():
        for line, ending in ((ALL, ""), (CLEAN, "_without_copies")):
            test = known.get(line) or {}
            if "confusion_matrix" not in test:
                continue
            matrix = np.asarray(test["confusion_matrix"])
            path = run.figure(f"confusion_{model}{ending}")
            heading = f"{title(model)}: {matrix.trace():g} of {matrix.sum():g} right"
            plot_confusion(matrix, test["class_names"], path, heading=heading)
            drawn.append(path)
    calibrations = {
        model: known["calibration"]
        for model, known in run.models.items()
        if (known.get("calibration") or {}).get(ALL)
    }
    if calibrations:
        plot_reliability(calibrations, run.figure("reliability"))
        drawn.append(run.figure("reliability"))
    predictions = run.path / "predictions.csv"
    if samples is not None and predictions.exists():
        _gallery(predictions, samples, run.figure("gallery"))
        drawn.append(run.figure("gallery"))
    return drawn


def _history(file: Path) -> Any:
    import pandas as pd

    try:
        return pd.read_csv(file)
    except pd.errors.EmptyDataError:  # a run that was stopped before its first epoch
        return pd.DataFrame()
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is no table of epochs ({error}).") from None


def _gallery(predictions: Path, samples: "Samples", path: Path) -> None:
    said = read_predictions(predictions)
    place = {one: row for row, one in enumerate(samples.ids)}
    missing = [one for one in said.ids if one not in place]
    if missing:
        raise DataError(
            f"{predictions} has {len(missing)} pictures that are not in the table of "
            f"samples, such as {missing[0]}; give the samples of this run."
        )
    model = "student" if "student" in said.logits else in_order(said.logits)[0]
    plot_gallery(
        _Pictures(samples, [place[one] for one in said.ids]),
        said.labels,
        said.predicted(model),
        said.probabilities(model),
        said.class_names,
        path,
        errors=12,
    )


class _Pictures(Sequence):
    """Pictures that are decoded when they are drawn: a dozen of a thousand."""

    def __init__(self, samples: "Samples", rows: list[int]):
        self._paths = samples.take(np.asarray(rows)).paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> np.ndarray:
        from kerakd.data import decode

        return decode(self._paths[index], 3)
