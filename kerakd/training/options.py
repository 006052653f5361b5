"""How a network is trained, as one validated value."""

import dataclasses
import math
import numbers
from dataclasses import dataclass, field
from typing import Any

from kerakd.errors import RecipeError, nearest

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "plateau", "step")
PRECISIONS = ("bfloat16", "float16")

DEFAULT_ADAMW_DECAY = 0.01


@dataclass(frozen=True)
class EarlyStoppingOptions:
    """When to stop before the last epoch, and which weights to keep.

    Args:
        monitor: A key of the history, such as `"val_loss"` or `"val_accuracy"`.
        patience: Stop after this many epochs in a row without a better value. `None`
            never stops: only the best weights are kept.
        restore_best: Whether the model ends with the weights of its best epoch rather
            than those of its last.
        minimum_change: A smaller improvement than this counts as none.
    """

    monitor: str = "val_loss"
    patience: int | None = 5
    restore_best: bool = True
    minimum_change: float = 0.0

    def __post_init__(self):
        where = "early_stopping."
        if not isinstance(self.monitor, str) or not self.monitor:
            raise RecipeError(
                f"`{where}monitor` must be a key of the history such as 'val_loss'; "
                f"got {self.monitor!r}."
            )
        if self.patience is not None:
            _set(self, "patience", _integer(where + "patience", self.patience, 1))
        _boolean(where + "restore_best", self.restore_best)
        change = _number(where + "minimum_change", self.minimum_change, 0.0)
        _set(self, "minimum_change", change)
        if self.patience is None and not self.restore_best:
            raise RecipeError(
                "`early_stopping` with `patience: null` and `restore_best: false` does "
                "nothing; give a patience, or restore the best weights."
            )


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained.

    Args:
        epochs: Times over the training set, at least 1.
        batch_size: Samples a step, where the data are arrays; an `ImageBatches` and a
            `tf.data.Dataset` come in batches of their own.
        seed: Of the order of the samples, where the data are arrays.
        optimizer: `"adam"`, `"adamw"` or `"sgd"`.
        learning_rate: Greater than 0; the peak of the schedule.
        weight_decay: Decoupled ("Decoupled Weight Decay Regularization", Loshchilov &
            Hutter, ICLR 2019): each step takes `learning_rate * weight_decay` of a
            weight away. Biases and normalisation parameters are spared. `None` is 0.01
            for AdamW and 0 for SGD; Adam takes none.
        momentum: Of SGD, in [0, 1).
        clip_norm: Gradients are scaled down to this global norm where they exceed it.
        schedule: `"constant"`; `"step"`: times `step_factor` after every `step_epochs`
            epochs; `"plateau"`: times `plateau_factor` after `plateau_patience` epochs
            without a lower `val_loss`; `"cosine"`: from a linear warm-up of
            `warmup_epochs` epochs down to `final_fraction` of the learning rate.
        step_epochs: See `schedule`.
        step_factor: See `schedule`; in (0, 1].
        plateau_patience: See `schedule`.
        plateau_factor: See `schedule`; in (0, 1).
        minimum_learning_rate: Plateau does not go below it.
        warmup_epochs: See `schedule`; may be a fraction of an epoch.
        final_fraction: See `schedule`; in [0, 1].
        label_smoothing: In [0, 1): this much of each label is spread evenly over all
            classes. The loss in validation is smoothed as well.
        early_stopping: `None`, a patience in epochs, or a dictionary with the fields of
            `EarlyStoppingOptions`.
        jit_compile: Whether XLA compiles the step; `"auto"` leaves it to Keras on a GPU
            and does not on a CPU, where depthwise convolutions are 5 times slower
            under XLA.
        mixed_precision: `None`, `"float16"` or `"bfloat16"`: the dtype in which the
            trained network computes during training; its weights, its logits and the
            model that is left behind stay float32.
        steps_per_execution: Steps in one call of the compiled function. Callbacks see
            only every such group.
        gradient_accumulation: Steps whose gradients are averaged before one update.
        checkpoint_steps: Also write a checkpoint every so many steps within an epoch.
        tensorboard: Whether to write `tensorboard/<name>` under `out`.

    Raises:
        RecipeError: A value has the wrong type or is out of range.
    """

    epochs: int = 10
    batch_size: int = 32
    seed: int = 0
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float | None = None
    momentum: float = 0.9
    clip_norm: float | None = None
    schedule: str = "constant"
    step_epochs: int = 10
    step_factor: float = 0.1
    plateau_patience: int = 3
    plateau_factor: float = 0.1
    minimum_learning_rate: float = 0.0
    warmup_epochs: float = 0.0
    final_fraction: float = 0.0
    label_smoothing: float = 0.0
    early_stopping: EarlyStoppingOptions | None = None
    jit_compile: bool | str = "auto"
    mixed_precision: str | None = None
    steps_per_execution: int = 1
    gradient_accumulation: int = 1
    # The two below leave the weights as they are, so a resumed run may change them.
    checkpoint_steps: int | None = field(default=None, metadata={"free": True})
    tensorboard: bool = field(default=False, metadata={"free": True})

    def __post_init__(self):
        for name, low in _INTEGERS.items():
            value = getattr(self, name)
            if value is not None or name not in _OPTIONAL:
                _set(self, name, _integer(name, value, low))
        for name, interval in _NUMBERS.items():
            value = getattr(self, name)
            if value is not None or name not in _OPTIONAL:
                _set(self, name, _number(name, value, **interval))
        _choice("optimizer", self.optimizer, OPTIMIZERS)
        _choice("schedule", self.schedule, SCHEDULES)
        if self.mixed_precision is not None:
            _choice("mixed_precision", self.mixed_precision, PRECISIONS)
        if self.jit_compile != "auto":
            _boolean("jit_compile", self.jit_compile, " or 'auto'")
        _boolean("tensorboard", self.tensorboard)
        _set(self, "early_stopping", _early_stopping(self.early_stopping))
        self._check_combinations()

    def _check_combinations(self) -> None:
        if self.optimizer == "adam" and self.weight_decay:
            raise RecipeError(
                "Optimizer 'adam' takes no `weight_decay`; choose 'adamw', or leave "
                "`weight_decay` out."
            )
        if self.warmup_epochs and self.schedule != "cosine":
            raise RecipeError(
                "`warmup_epochs` belongs to `schedule: cosine`; the schedule is "
                f"{self.schedule!r}."
            )
        if self.warmup_epochs >= self.epochs:
            raise RecipeError(
                f"`warmup_epochs` ({self.warmup_epochs:g}) must be less than `epochs` "
                f"({self.epochs})."
            )

    @property
    def decay(self) -> float:
        """The weight decay with the optimizer's default filled in."""
        if self.weight_decay is None:
            return DEFAULT_ADAMW_DECAY if self.optimizer == "adamw" else 0.0
        return self.weight_decay

    @classmethod
    def from_config(cls, config: "dict | TrainingOptions | None") -> "TrainingOptions":
        """Options from a dictionary, such as a section of a recipe.

        Raises:
            RecipeError: A key is unknown, or a value is refused.
        """
        if config is None:
            return cls()
        if isinstance(config, cls):
            return config
        return _from_config(cls, config, "training option")

    def get_config(self) -> dict:
        """A dictionary of plain values that `from_config` takes back."""
        return dataclasses.asdict(self)

    def replace(self, **overrides: Any) -> "TrainingOptions":
        """These options with some of them changed.

        Raises:
            RecipeError: A name is unknown, or a value is refused.
        """
        return self.from_config(self.get_config() | overrides)

    @classmethod
    def free_names(cls) -> set[str]:
        """Names of the options that do not change the weights."""
        return {f.name for f in dataclasses.fields(cls) if f.metadata.get("free")}


_OPTIONAL = {"checkpoint_steps", "clip_norm", "weight_decay"}
_INTEGERS = {
    "epochs": 1,
    "batch_size": 1,
    "seed": 0,
    "step_epochs": 1,
    "plateau_patience": 1,
    "steps_per_execution": 1,
    "gradient_accumulation": 1,
    "checkpoint_steps": 1,
}
_NUMBERS = {
    "learning_rate": {"low": 0.0, "open_low": True},
    "weight_decay": {"low": 0.0},
    "momentum": {"low": 0.0, "high": 1.0, "open_high": True},
    "clip_norm": {"low": 0.0, "open_low": True},
    "step_factor": {"low": 0.0, "high": 1.0, "open_low": True},
    "plateau_factor": {"low": 0.0, "high": 1.0, "open_low": True, "open_high": True},
    "minimum_learning_rate": {"low": 0.0},
    "warmup_epochs": {"low": 0.0},
    "final_fraction": {"low": 0.0, "high": 1.0},
    "label_smoothing": {"low": 0.0, "high": 1.0, "open_high": True},
}


def _set(instance: Any, name: str, value: Any) -> None:
    object.__setattr__(instance, name, value)


def _from_config(cls: type, config: Any, what: str) -> Any:
    if not isinstance(config, dict):
        raise RecipeError(
            f"Every {what} is a `name: value` pair in a dictionary; got {config!r}."
        )
    valid = [f.name for f in dataclasses.fields(cls)]
    for name in config:
        if name not in valid:
            raise RecipeError(f"Unknown {what} {name!r}. {nearest(name, valid)}")
    return cls(**config)


def _early_stopping(value: Any) -> EarlyStoppingOptions | None:
    if value is None or value is False:
        return None
    if value is True:
        return EarlyStoppingOptions()
    if isinstance(value, EarlyStoppingOptions):
        return value
    if isinstance(value, numbers.Integral):
        return EarlyStoppingOptions(patience=value)
    return _from_config(EarlyStoppingOptions, value, "early_stopping option")


def _integer(name: str, value: Any, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise RecipeError(f"`{name}` must be a whole number; got {value!r}.")
    if value < low:
        raise RecipeError(f"`{name}` must be at least {low}; got {value}.")
    return int(value)


def _number(
    name: str,
    value: Any,
    low: float,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        hint = ""
        if isinstance(value, str):
            # YAML 1.1 reads 1e-3 as text: it wants a dot in the mantissa.
            hint = " (in YAML write 1.0e-3, not 1e-3)"
        raise RecipeError(f"`{name}` must be a number; got {value!r}{hint}.")
    value = float(value)
    too_low = value <= low if open_low else value < low
    too_high = value >= high if open_high else value > high
    if too_low or too_high or not math.isfinite(value):
        bounds = f"{'greater than' if open_low else 'at least'} {low:g}"
        if high != math.inf:
            bounds += f" and {'less than' if open_high else 'at most'} {high:g}"
        raise RecipeError(f"`{name}` must be {bounds}; got {value:g}.")
    return value


def _boolean(name: str, value: Any, more: str = "") -> None:
    if not isinstance(value, bool):
        raise RecipeError(f"`{name}` must be true or false{more}; got {value!r}.")


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RecipeError(f"Unknown `{name}` {value!r}. {nearest(str(value), choices)}")
