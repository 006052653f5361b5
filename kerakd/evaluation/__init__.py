"""How good a model is: logits over a data set, and the metrics they give.

Nothing here loads TensorFlow or scikit-learn before it is called, so the names are
imported at once (a lazy `evaluate` would be hidden by the file of that name).
"""

from kerakd.evaluation.classification import classification_metrics
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
    "classification_metrics",
    "evaluate",
    "predict_logits",
    "read_predictions",
    "wilson_interval",
    "write_predictions",
]
