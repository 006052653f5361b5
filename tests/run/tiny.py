"""A whole run in seconds: a handful of phantoms, networks of a few thousand weights."""

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

from kerakd.recipe import Recipe, recipe_from
from kerakd.recipe.overrides import put

PAGE: dict[str, Any] = {
    "name": "tiny",
    "data": {
        "source": "phantom",
        "channels": 1,
        "phantom": {"patients": 16, "slices_per_patient": 2, "size": 72},
    },
    "augmentation": "flip",
    "teacher": {
        "model": "alexnet",
        "options": {"width": 0.1, "dense_units": 16},
        "image_size": 72,
        "training": {"epochs": 2, "batch_size": 8},
    },
    "student": {
        "model": "alexnet",
        "options": {"width": 0.05, "dense_units": 8},
        "image_size": 68,
        "training": {"epochs": 2, "batch_size": 8},
    },
}


def page(**changes: Any) -> dict[str, Any]:
    """The page with dotted keys (`__` for a dot) changed."""
    found = copy.deepcopy(PAGE)
    for key, value in changes.items():
        found = put(found, key.replace("__", "."), value)
    return found


def recipe(**changes: Any) -> Recipe:
    """The recipe of `page`."""
    return recipe_from(page(**changes))


@lru_cache(maxsize=1)
def finished_run(folder: Path) -> Path:
    """A finished run of the tiny recipe; one for all tests of a session.

    Args:
        folder: `tmp_path_factory.getbasetemp()`.
    """
    from kerakd.run import run_recipe

    run_recipe(recipe(), folder / "finished", command="kerakd run tiny", verbose=0)
    return folder / "finished"
