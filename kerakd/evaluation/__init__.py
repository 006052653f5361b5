"""How good a model is: logits over a data set, and the metrics they give.

Nothing here loads TensorFlow or scikit-learn before it is called, so the names are
imported at once (a lazy `evaluate` or `calibration` would be hidden by the file of that
name). `segmentation`, which loads SciPy, comes when it is asked for.
"""

import importlib

from kerakd.evaluation.bootstrap import bootstrap_intervals, paired_bootstrap
from kerakd.evaluation.calibration import calibration, fit_temperature, reliability
from kerakd.evaluation.classification import classification_metrics
from kerakd.evaluation.comparing import compare, compare_all, fidelity, mcnemar
from kerakd.evaluation.counterparts import find_counterparts
from kerakd.evaluation.evaluate import evaluate
from kerakd.evaluation.intervals import wilson_interval
from kerakd.evaluation.logits import predict_logits
from kerakd.evaluation.predictions import (
    Predictions,
    read_predictions,
    write_predictions,
)

__all__ = [
    "Predictions",
    "bootstrap_intervals",
    "calibration",
    "classification_metrics",
    "compare",
    "compare_all",
    "evaluate",
    "fidelity",
    "find_counterparts",
    "fit_temperature",
    "mcnemar",
    "paired_bootstrap",
    "predict_logits",
    "read_predictions",
    "reliability",
    "segmentation",
    "wilson_interval",
    "write_predictions",
]


def __getattr__(name: str):
    if name == "segmentation":
        return importlib.import_module("kerakd.evaluation.segmentation")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
