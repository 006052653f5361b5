"""The first stage: checked cases, their splits, their slices."""

import dataclasses
import os

import numpy as np

from kerakd.data import load_splits, save_splits
from kerakd.data.volumes.store import SliceStore
from kerakd.data.volumes.table import NO_TRUTH, Volumes, load_volumes
from kerakd.errors import DataError, RecipeError
from kerakd.recipe import Recipe
from kerakd.run.folder import Folder
from kerakd.run.samples import source_of

_SPLITS = ("train", "validation", "test")
_MANY_TIMES = 5  # cases read for each that a split of a trial may hold


def prepare_cases(
    recipe: Recipe, folder: Folder, data: str | os.PathLike | None
) -> Volumes:
    """The cases of a recipe with their splits, as `splits.json` keeps them.

    Raises:
        DataError: The cases cannot be found, read or divided.
    """
    section, volumes = recipe.data, recipe.volumes
    found = load_volumes(
        source_of(recipe, folder, data),
        modalities=volumes.modalities,
        scheme=volumes.scheme,
        skip_bad_cases=section.skip_bad,
        # A trial does not wait for the check of cases that it will not use.
        limit=None if section.limit is None else _MANY_TIMES * section.limit,
    )
    known = (found.samples.table["label"] != NO_TRUTH).to_numpy()
    if not known.any():
        raise DataError(f"None of the cases in {section.source} has a mask.")
    found = found.take(np.flatnonzero(known))
    if folder.finished("data"):
        splits = folder / "splits.json"
        kept = _rows_of(found, splits) if section.limit is not None else None
        found = found if kept is None else found.take(kept)
        return dataclasses.replace(found, samples=load_splits(found.samples, splits))
    found = found.split(
        validation=section.validation, test=section.test, seed=recipe.seed
    )
    if section.limit is not None:
        table = found.samples.table
        rows = [
            np.flatnonzero(table["split"] == name)[: section.limit] for name in _SPLITS
        ]
        found = found.take(np.sort(np.concatenate(rows)))
    missing = [name for name in _SPLITS if name not in found.samples.counts]
    if missing:
        raise DataError(
            f"{section.source} has no {' and no '.join(missing)} cases, which a run "
            "needs; set `data.validation: 0.15` and `data.test: 0.25` in the recipe."
        )
    found.samples.save(folder / "samples.csv")
    save_splits(found.samples, folder / "splits.json")
    return found


def _rows_of(found: Volumes, splits) -> list[int]:
    from kerakd.files import read_json

    named = {one for ids in read_json(splits)["splits"].values() for one in ids}
    return [i for i, case in enumerate(found.cases) if case.id in named]


def slices_of(recipe: Recipe, volumes: Volumes) -> SliceStore:
    """The slices that teacher and student both see.

    Raises:
        RecipeError: They are to see different sizes.
    """
    size = recipe.student.image_size
    if recipe.teacher.model is not None and recipe.teacher.image_size != size:
        raise RecipeError(
            f"teacher.image_size is {recipe.teacher.image_size} and student.image_size "
            f"{size}; in a segmentation both see the same slices, so set them alike."
        )
    size = size if isinstance(size, int) else tuple(size)
    return SliceStore.build(
        volumes, size, recipe.volumes.target, cache_dir=recipe.volumes.cache
    )
