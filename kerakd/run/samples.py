"""The first stage of a run: the table of samples and its splits."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerakd.data import (
    Samples,
    load_images,
    load_splits,
    resolve,
    save_splits,
    split,
)
from kerakd.data.layouts import EXPECTED_TREE
from kerakd.data.phantom import (
    PATIENT_PATTERN,
    write_phantom,
    write_phantom_volumes,
)
from kerakd.data.remarks import remarks
from kerakd.data.volumes.layouts import EXPECTED
from kerakd.errors import DataError, RecipeError, nearest
from kerakd.recipe import Recipe
from kerakd.run.auditing import clusters_of
from kerakd.run.folder import Folder

PHANTOM = "phantom"
_MANY_TIMES = 5  # images audited for each that a split of a trial may hold


def prepare_samples(
    recipe: Recipe,
    folder: Folder,
    data: str | os.PathLike | None,
    splits: str | os.PathLike | None = None,
    say: Callable[[str], None] = lambda text: None,
    verbose: int | str = "auto",
) -> Samples:
    """The samples of a recipe with their splits; taken up where a run has them.

    Args:
        recipe: What is run.
        folder: Where `samples.csv` and `splits.json` are or will be; phantom pictures
            are made in `phantom/` in it.
        data: The folder of `--data`.
        splits: A file that says which sample is in which split; by default that of the
            recipe, and without one they are drawn.
        say: Is told what is done.
        verbose: 0 shows no progress.

    Raises:
        DataError: The images cannot be found, read, or split.
    """
    section = recipe.data
    if folder.finished("data"):
        root = source_of(recipe, folder, data)
        return Samples.load(folder / "samples.csv", root=root)
    samples = read_samples(recipe, folder, data)
    splits = splits or section.splits
    if splits is not None:
        samples = load_splits(samples, splits)
    else:
        clusters = None
        if section.copies_together:
            if section.limit is not None:
                # A trial does not wait for the audit of images that it will not use.
                samples = limit(samples, _MANY_TIMES * section.limit, recipe.seed)
            clusters = clusters_of(recipe, folder, samples, say, verbose)
        divided = split(
            samples,
            validation=section.validation,
            test=section.test,
            seed=recipe.seed,
            clusters=clusters,
        )
        # The groups stay what they were: clusters are told apart from patients.
        where = zip(divided.ids.tolist(), divided.table["split"], strict=True)
        kept = {key: divided.notes[key] for key in ("split", "official_splits")}
        samples = samples.with_splits(dict(where)).with_notes(**kept)
    if section.limit is not None:
        samples = limit(samples, section.limit, recipe.seed)
    _check_complete(samples, samples.root)
    # A table that came through a file and one that did not are the same table.
    samples.save(folder / "samples.csv")
    save_splits(samples, folder / "splits.json")
    return samples


def read_samples(
    recipe: Recipe, folder: Folder, data: str | os.PathLike | None
) -> Samples:
    """The images of a recipe, in the splits of their folders.

    Args:
        recipe: What is run.
        folder: Where phantom pictures are made.
        data: The folder of `--data`.
    """
    section = recipe.data
    phantom = section.source == PHANTOM
    return load_images(
        source_of(recipe, folder, data),
        aliases=section.aliases,
        skip_bad=section.skip_bad,
        classes=section.classes,
        groups=section.groups or (PATIENT_PATTERN if phantom else None),
    )


def limit(samples: Samples, count: int, seed: int) -> Samples:
    """At most `count` images of each class in each split, drawn by the seed."""
    generator = np.random.default_rng(seed)
    table = samples.table
    kept = []
    for _, rows in table.groupby(["split", "label"], sort=True):
        places = rows.index.to_numpy()
        kept.append(generator.permutation(places)[:count])
    return samples.take(np.sort(np.concatenate(kept))).with_notes(limit=count)


def warnings_of(samples: Samples) -> list[str]:
    """What a reader of the figures has to know about the data."""
    lines = remarks(samples.notes)
    if "limit" in samples.notes:
        lines.append(
            f"At most {samples.notes['limit']} images of each class in each split were "
            "used: a trial, not a result."
        )
    return lines


def source_of(recipe: Recipe, folder: Folder, data: str | os.PathLike | None) -> Path:
    """The folder of a recipe's images or cases; phantoms are made in the run's.

    Args:
        recipe: What is run.
        folder: Where phantoms are made.
        data: The folder of `--data`.

    Raises:
        DataError: There is no such folder.
        RecipeError: Phantoms have no such option.
    """
    segmented = recipe.task == "segmentation"
    if recipe.data.source != PHANTOM:
        expected = EXPECTED if segmented else EXPECTED_TREE
        return resolve(recipe.data.source, data, expected)
    write = write_phantom_volumes if segmented else write_phantom
    known = [
        name
        for name in inspect.signature(write).parameters
        if name not in ("folder", "progress")
    ]
    for key in recipe.data.phantom:
        if key not in known:
            raise RecipeError(
                f"Unknown key 'data.phantom.{key}'. {nearest(key, known)}"
            )
    defaults = {} if segmented else {"masks": False}
    # One that is there already, from a run that is resumed, is left as it is.
    return write(folder / PHANTOM, **{**defaults, **recipe.data.phantom})


def _check_complete(samples: Samples, root: Path) -> None:
    """Every split is there; a split without a class was told by the loader."""
    missing = [s for s in ("train", "validation", "test") if s not in samples.counts]
    if missing:
        remedy = "set `data.test: 0.2` in the recipe, or add a folder of test images"
        if "test" not in missing:
            remedy = "set `data.validation: 0.2` in the recipe"
        raise DataError(
            f"{root} has no {' and no '.join(missing)} images, which a run needs; "
            f"{remedy}."
        )
