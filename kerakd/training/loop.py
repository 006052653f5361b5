"""One training as a series of `fit` calls that its callbacks take for a single one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from kerakd.training import checkpoint, engine
from kerakd.training.checkpoint import Position
from kerakd.training.fusing import fused_operations
from kerakd.training.history import Chronicle, refill


class OneTraining(keras.callbacks.CallbackList):
    """Callbacks that see one beginning and one end, and steps counted by the epoch.

    A training that resumes in the middle of an epoch needs one `fit` for the rest of
    that epoch and another for what follows.
    """

    offset = 0

    def begin(self) -> None:
        """Tell the callbacks that the training begins."""
        super().on_train_begin()

    def end(self) -> None:
        """Tell the callbacks that the training has ended."""
        super().on_train_end()

    def on_train_begin(self, logs=None):
        """Called at the start of each `fit`, which is not that of the training."""

    def on_train_end(self, logs=None):
        """Called at the end of each `fit`, which is not that of the training."""

    def on_train_batch_begin(self, batch, logs=None):
        super().on_train_batch_begin(batch + self.offset, logs)

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch + self.offset, logs)


class Keeper(keras.callbacks.Callback):
    """Writes checkpoints and puts the state of a checkpoint back; the last callback.

    Args:
        model: What is trained.
        folder: Where checkpoints go, or `None` for none.
        setup: What a resume has to repeat.
        chronicle: Keeps the history.
        callbacks: All other callbacks. The state of those with `get_state` and
            `set_state` is kept.
    """

    def __init__(
        self,
        model: keras.Model,
        folder: Path | None,
        setup: dict,
        chronicle: Chronicle,
        callbacks: Sequence[keras.callbacks.Callback],
    ):
        super().__init__()
        self._trained = model
        self._folder = folder
        self._setup = setup
        self._chronicle = chronicle
        stateful = [
            callback
            for callback in callbacks
            if hasattr(callback, "get_state") and hasattr(callback, "set_state")
        ]
        self._stateful = {
            f"{index} {type(callback).__name__}": callback
            for index, callback in enumerate(stateful)
        }
        self._resumed: Position | None = None
        self._arrays: dict = {}
        self._epoch = 0
        self.position = Position()

    def restore(self, position: Position, arrays: dict, batch: Any) -> None:
        """Give the model the state of a checkpoint; callbacks get theirs on `begin`.

        Args:
            position: Where the training stood.
            arrays: The numbers of that state.
            batch: One batch of the data, to build the metrics with.
        """
        self.position, self._resumed, self._arrays = position, position, arrays
        if position.step:
            # Keras builds its metrics at their first use; a test changes nothing else.
            engine.fitting(self._trained).evaluate(batch, verbose=0)
        for prefix, variables in self._variables().items():
            checkpoint.assign(variables, prefix, arrays, self._folder)
        self._chronicle.resume(position.rows, position.seconds)

    def on_train_begin(self, logs=None):
        if self._resumed is None:
            return
        refill(self._trained.history, self._resumed.rows)
        for key, callback in self._stateful.items():
            state = self._resumed.callbacks.get(key)
            if state is not None:
                callback.set_state(_join(state, f"callback {key}", self._arrays))

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        if self._resumed is not None and self._resumed.step:
            metrics = self._trained.metrics_variables
            checkpoint.assign(metrics, "metrics", self._arrays, self._folder)
        self._resumed, self._arrays = None, {}

    def on_epoch_end(self, epoch, logs=None):
        self.save(epoch + 1, 0)

    def on_train_end(self, logs=None):
        self.position.finished = True
        self.save(self.position.epoch, 0)

    def save(self, epoch: int, step: int) -> None:
        """Write a checkpoint after `epoch` epochs and `step` steps of the next."""
        self.position = Position(
            epoch=epoch,
            step=step,
            seconds=self._chronicle.seconds if step else 0.0,
            stopped=bool(self._trained.stop_training),
            finished=self.position.finished,
            rows=self._chronicle.rows,
            setup=self._setup,
        )
        if self._folder is None:
            return
        engine.synchronize(self._trained)
        arrays = {}
        for prefix, variables in self._variables(metrics=step > 0).items():
            arrays |= checkpoint.values_of(variables, prefix)
        if not self.position.finished:
            for key, callback in self._stateful.items():
                state, part = _part(callback.get_state(), f"callback {key}")
                self.position.callbacks[key] = state
                arrays |= part
        checkpoint.write(self._folder, self.position, arrays)

    def _variables(self, metrics: bool = False) -> dict[str, list]:
        model = self._trained
        # Keras lists the state of a random layer once for each path to it.
        variables = list({id(v): v for v in model.variables}.values())
        found = {"model": variables, "optimizer": model.optimizer.variables}
        return found | ({"metrics": model.metrics_variables} if metrics else {})


class StepKeeper(keras.callbacks.Callback):
    """Asks the Keeper for a checkpoint every so many steps within an epoch.

    A callback of its own, since one that looks at each step makes Keras wait for it.
    """

    def __init__(self, keeper: Keeper, every: int, steps_per_epoch: int):
        super().__init__()
        self._keeper = keeper
        self._every = every
        self._steps_per_epoch = steps_per_epoch
        self._epoch = 0
        self._last = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        position = self._keeper.position
        self._last = position.step if position.epoch == epoch else 0

    def on_train_batch_end(self, batch, logs=None):
        done = batch + 1
        if done < self._steps_per_epoch and done // self._every > (
            self._last // self._every
        ):
            self._last = done
            self._keeper.save(self._epoch, done)


def run(
    model: keras.Model,
    stream: Any,
    validation: Any,
    callbacks: OneTraining,
    position: Position,
    *,
    epochs: int,
    steps_per_epoch: int,
    steps_per_execution: int,
) -> None:
    """Train from `position` to the end.

    Args:
        model: A compiled model.
        stream: `stream(start, steps)` gives these batches, counted over all epochs.
        validation: One pass over the validation set, or `None`.
        callbacks: All callbacks.
        position: Where the training stands.
        epochs: Epochs in all.
        steps_per_epoch: Steps in an epoch.
        steps_per_execution: Steps in one call of the compiled function.

    Raises:
        DataError: A label is out of range.
        KerakdError: The memory is exhausted.
    """
    callbacks.begin()
    model.stop_training = False
    epoch, step = position.epoch, position.step
    while epoch < epochs and not (position.stopped or model.stop_training):
        # Groups of steps that do not fill an epoch would run on into the next one.
        alone = step > 0 or steps_per_epoch % steps_per_execution > 0
        alone = alone or not engine.epochs_in_one_fit()
        last = epoch + 1 if alone else epochs
        steps = (last - epoch) * steps_per_epoch - step
        callbacks.offset = step
        try:
            with fused_operations():
                engine.fitting(model).fit(
                    stream(epoch * steps_per_epoch + step, steps),
                    validation_data=validation,
                    initial_epoch=epoch,
                    epochs=last,
                    steps_per_epoch=None if alone else steps_per_epoch,
                    shuffle=False,
                    callbacks=callbacks,
                )
        except Exception as error:
            explained = engine.explain(error)
            if explained is None:
                raise
            raise explained from None
        epoch, step = last, 0
    callbacks.end()


def _part(state: dict, prefix: str) -> tuple[dict, dict]:
    """A callback's state as plain values, and its lists of arrays by name."""
    plain, arrays = {}, {}
    for name, value in state.items():
        if isinstance(value, list):
            plain[name] = {"arrays": len(value)}
            arrays |= {f"{prefix}/{name}/{i:05d}": v for i, v in enumerate(value)}
        else:
            plain[name] = value
    return plain, arrays


def _join(state: dict, prefix: str, arrays: dict) -> dict:
    """The inverse of `_part`."""
    return {
        name: [arrays[f"{prefix}/{name}/{i:05d}"] for i in range(value["arrays"])]
        if isinstance(value, dict) and "arrays" in value
        else value
        for name, value in state.items()
    }
