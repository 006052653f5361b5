"""Learning rates over a training."""

from typing import Any

import keras

from kerakd.training.options import TrainingOptions


def learning_rate(options: TrainingOptions, steps_per_epoch: int) -> Any:
    """What the optimizer takes as its learning rate.

    Args:
        options: Chooses the schedule.
        steps_per_epoch: Optimizer steps in an epoch, for schedules that count steps.

    Returns:
        A float where the rate is constant or set by a callback (plateau), else a
        `keras.optimizers.schedules` object.
    """
    if options.schedule == "step":
        return keras.optimizers.schedules.ExponentialDecay(
            options.learning_rate,
            decay_steps=options.step_epochs * steps_per_epoch,
            decay_rate=options.step_factor,
            staircase=True,
        )
    if options.schedule == "cosine":
        return _cosine(options, steps_per_epoch)
    return options.learning_rate


def _cosine(options: TrainingOptions, steps_per_epoch: int) -> Any:
    peak = options.learning_rate
    warmup = round(options.warmup_epochs * steps_per_epoch)
    decay = options.epochs * steps_per_epoch - warmup
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(
            peak, decay_steps=decay, alpha=options.final_fraction
        )
    return keras.optimizers.schedules.CosineDecay(
        # Not from 0: the first step would be lost.
        peak / (warmup + 1),
        decay_steps=decay,
        alpha=options.final_fraction,
        warmup_target=peak,
        warmup_steps=warmup,
    )


class ReduceOnPlateau(keras.callbacks.ReduceLROnPlateau):
    """Keras's callback on `val_loss`, whose state goes into checkpoints."""

    def __init__(self, options: TrainingOptions):
        super().__init__(
            monitor="val_loss",
            mode="min",
            factor=options.plateau_factor,
            patience=options.plateau_patience,
            min_delta=0.0,
            min_lr=options.minimum_learning_rate,
        )

    def get_state(self) -> dict:
        """What has to come back for the same decisions."""
        return {
            "best": None if self.best is None else float(self.best),
            "wait": self.wait,
            "cooldown_counter": self.cooldown_counter,
        }

    def set_state(self, state: dict) -> None:
        """Take back what `get_state` gave."""
        self.best = state["best"]
        self.wait = state["wait"]
        self.cooldown_counter = state["cooldown_counter"]
