"""The distillation losses of a recipe as objects."""

import copy
import inspect
from typing import Any

from kerakd.distillation import registry
from kerakd.errors import RecipeError
from kerakd.recipe import DistillationSection


def build_losses(section: DistillationSection) -> tuple[list[Any], list[float]]:
    """Fresh losses and their weights.

    Args:
        section: `recipe.distillation`; its temperature goes to every loss that takes
            one and sets none.

    Raises:
        RecipeError: A loss or an option of it is unknown or out of range.
    """
    losses, weights = [], []
    for index, entry in enumerate(section.losses):
        options = copy.deepcopy(entry)
        weights.append(float(options.pop("weight", 1.0)))
        kind = registry.LOSSES.get(options["name"])
        if kind is not None and _takes_temperature(kind):
            options.setdefault("temperature", section.temperature)
        try:
            losses.append(registry.get(options))
        except (RecipeError, ValueError, TypeError) as error:
            raise RecipeError(f"distillation.losses[{index}]: {error}") from error
    return losses, weights


def _takes_temperature(kind: type) -> bool:
    return "temperature" in inspect.signature(kind.__init__).parameters
