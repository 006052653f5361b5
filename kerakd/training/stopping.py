"""When training ends early: because it got no better, or because it broke."""

import math
from typing import Any

import keras
import numpy as np

from kerakd.errors import KerakdError, RecipeError, nearest
from kerakd.training.options import EarlyStoppingOptions


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras's callback, whose state goes into checkpoints.

    Args:
        options: What to watch and for how long.
    """

    def __init__(self, options: EarlyStoppingOptions):
        super().__init__(
            monitor=options.monitor,
            mode=_direction(options.monitor),
            # A patience that no training outlasts only keeps the best weights.
            patience=options.patience or 2**31,
            min_delta=options.minimum_change,
            restore_best_weights=options.restore_best,
        )

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor not in logs:
            raise RecipeError(
                f"`early_stopping` watches {self.monitor!r}, which the history does "
                f"not hold. {nearest(self.monitor, logs)}"
            )
        super().on_epoch_end(epoch, logs)

    def get_state(self) -> dict:
        """What has to come back for the same decisions."""
        return {
            "best": None if self.best is None else float(self.best),
            "best_epoch": self.best_epoch,
            "stopped_epoch": self.stopped_epoch,
            "wait": self.wait,
            "best_weights": self.best_weights,
        }

    def set_state(self, state: dict) -> None:
        """Take back what `get_state` gave."""
        for name, value in state.items():
            setattr(self, name, value)


def _direction(monitor: str) -> str:
    if monitor.endswith("loss"):
        return "min"
    return "max" if monitor.endswith("accuracy") else "auto"


class StopAtNaN(keras.callbacks.Callback):
    """Ends a training whose loss is no longer a number, naming epoch and step.

    Args:
        name: What is trained, for the error.
        learning_rate: The rate in use, for the error.
    """

    # Keras then reads the logs beside the training instead of waiting at each step.
    async_safe = True

    def __init__(self, name: str, learning_rate: float):
        super().__init__()
        self._name = name
        self._learning_rate = learning_rate
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self._check(logs, f"step {batch + 1}")

    def on_epoch_end(self, epoch, logs=None):
        self._check(logs, "its end")

    def _check(self, logs: dict[str, Any], where: str) -> None:
        loss = logs.get("loss", 0.0)
        if math.isfinite(loss):
            return
        value = "not a number" if np.isnan(loss) else "infinite"
        raise KerakdError(
            f"Training of {self._name!r} broke in epoch {self._epoch + 1} at {where}: "
            f"the loss is {value}. Lower the learning rate (now "
            f"{self._learning_rate:g}), set `clip_norm: 1.0`, or look for pixels that "
            "are not finite in the data."
        )
