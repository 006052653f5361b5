"""What is known of each epoch: in memory for Keras, in `history_<name>.csv` for all."""

import csv
import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerakd.files import write_text


class Chronicle(keras.callbacks.Callback):
    """Notes the learning rate and the time of each epoch, and keeps all rows.

    It must come before other callbacks, so that the rate is that of the epoch and not
    what a plateau has just made of it. `Scribe` comes after them and closes the row.

    Args:
        schedule: The schedule of the learning rate; `None` where the optimizer's own
            variable holds it.
        steps_per_epoch: Steps in an epoch.
    """

    def __init__(self, schedule: Any, steps_per_epoch: int):
        super().__init__()
        self._schedule = schedule
        self._steps_per_epoch = steps_per_epoch
        self.rows: list[dict] = []
        self._seconds_before = 0.0
        self._started = time.monotonic()

    def resume(self, rows: list[dict], seconds: float) -> None:
        """Go on from what a checkpoint has kept."""
        self.rows = [dict(row) for row in rows]
        self._seconds_before = seconds

    @property
    def seconds(self) -> float:
        """Time spent on the epoch so far, in all processes that worked on it."""
        return self._seconds_before + time.monotonic() - self._started

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = self._learning_rate(epoch)

    def close(self, epoch: int, logs: dict) -> None:
        """Add the row of an epoch, with whatever callbacks have added to its logs."""
        row = {
            "epoch": epoch + 1,
            "seconds": round(self.seconds, 3),
            "learning_rate": logs["learning_rate"],
        }
        for key in sorted(logs, key=_place):
            if np.ndim(logs[key]) == 0:
                row[key] = float(logs[key])
        self.rows.append(row)
        self._seconds_before = 0.0

    def _learning_rate(self, epoch: int) -> float:
        """The rate of the epoch's last step."""
        if self._schedule is None:
            rate = self.model.optimizer.learning_rate
        else:
            rate = self._schedule((epoch + 1) * self._steps_per_epoch - 1)
        return float(keras.ops.convert_to_numpy(rate))


class Scribe(keras.callbacks.Callback):
    """Closes the row of each epoch and writes the table anew.

    Args:
        chronicle: Where the rows are kept.
        path: The CSV file, or `None` for none.
    """

    def __init__(self, chronicle: Chronicle, path: Path | None):
        super().__init__()
        self._chronicle = chronicle
        self._path = path

    def on_epoch_end(self, epoch, logs=None):
        self._chronicle.close(epoch, logs)
        if self._path is not None:
            write_history(self._path, self._chronicle.rows)


def write_history(path: Path, rows: Sequence[dict]) -> None:
    """Write rows as CSV; a column that a row lacks is left empty."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows({k: _shortest(v) for k, v in row.items()} for row in rows)
    write_text(path, text.getvalue())


def _place(key: str) -> tuple:
    """Training before validation, the loss before what is measured beside it."""
    return key.startswith("val_"), key.removeprefix("val_") != "loss"


def _shortest(value: float) -> float | str:
    """A float32 with the digits it has, not those of the float64 that carries it."""
    short = np.float32(value)
    return str(short) if isinstance(value, float) and float(short) == value else value


def refill(history: keras.callbacks.History, rows: Sequence[dict]) -> None:
    """Put rows into a Keras History as if it had seen the epochs."""
    history.epoch = [row["epoch"] - 1 for row in rows]
    history.history = {}
    for row in rows:
        for key, value in row.items():
            if key not in ("epoch", "seconds"):
                history.history.setdefault(key, []).append(value)
