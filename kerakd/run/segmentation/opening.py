"""A finished segmentation run, opened again: its cases, splits and slices."""

import os
from pathlib import Path
from typing import NamedTuple

from kerakd.data.volumes.store import SliceStore
from kerakd.data.volumes.table import Volumes
from kerakd.errors import DataError
from kerakd.recipe import Recipe, load_recipe
from kerakd.run.folder import Folder
from kerakd.run.segmentation.cases import prepare_cases, slices_of


class Opened(NamedTuple):
    """What `open_run` found."""

    recipe: Recipe
    volumes: Volumes
    store: SliceStore


def is_segmentation(folder: str | os.PathLike) -> bool:
    """Whether a folder holds a run with `task: segmentation`."""
    page = Path(folder) / "recipe.yaml"
    return page.is_file() and load_recipe(page).task == "segmentation"


def open_run(folder: str | os.PathLike, data: str | os.PathLike | None) -> Opened:
    """The recipe, cases and slices of a run.

    Args:
        folder: The run folder.
        data: As in `kerakd.data.resolve`.

    Raises:
        DataError: The cases are not found, or other ones than the run's.
    """
    recipe = load_recipe(Path(folder) / "recipe.yaml")
    claimed = Folder.claim(folder, recipe, resume=True)
    if not claimed.finished("data"):
        raise DataError(
            f"{folder} holds no run whose cases were divided; finish it with --resume."
        )
    volumes = prepare_cases(recipe, claimed, data)
    return Opened(recipe, volumes, slices_of(recipe, volumes))
