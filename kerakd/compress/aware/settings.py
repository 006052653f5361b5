"""How a network learns on while it is compressed, as one checked value."""

import dataclasses
import math
from numbers import Integral, Real

from kerakd.errors import RecipeError


@dataclasses.dataclass(frozen=True)
class Lesson:
    """The arguments that `quantize_aware`, `prune` and `cluster` share.

    Args:
        epochs: Times over the training data, at least 1.
        learning_rate: Of Adam at the first step, above 0; falls to 0 along a cosine.
        batch_size: Of arrays; other data bring their own.
        seed: Of dropout and of the order of arrays.
        progress: Whether to show a bar; where there is a terminal if `None`.
    """

    epochs: int
    learning_rate: float
    batch_size: int
    seed: int
    progress: bool | None

    def __post_init__(self):
        check_whole("epochs", self.epochs, 1)
        check_whole("batch_size", self.batch_size, 1)
        check_whole("seed", self.seed, 0)
        check_number("learning_rate", self.learning_rate, 0.0, math.inf)


def check_whole(name: str, value: object, least: int) -> None:
    """Refuse what is no whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise RecipeError(
            f"`{name}` must be a whole number of at least {least}, not {value!r}."
        )


def check_number(name: str, value: object, above: float, below: float) -> None:
    """Refuse what is no number between two others, these excluded."""
    if (
        isinstance(value, bool)
        or not isinstance(value, Real)
        or not above < value < below
    ):
        limits = f"above {above:g}" + (
            f" and below {below:g}" if math.isfinite(below) else ""
        )
        raise RecipeError(f"`{name}` must be a number {limits}, not {value!r}.")
