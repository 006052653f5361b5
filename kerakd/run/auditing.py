"""The audit of a run: copies across the splits, looked for once, before training."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

from kerakd.data import Samples, audit
from kerakd.errors import DataError
from kerakd.recipe import Recipe
from kerakd.run.folder import Folder, copy_whole
from kerakd.run.job import Job
from kerakd.run.leaks import Leaks

CLUSTERS = "clusters.csv"


def look_for_leaks(
    job: Job, say: Callable[[str], None], clusters: str | os.PathLike | None = None
) -> Leaks:
    """What is known of copies across the splits, from the run folder or an audit.

    Args:
        job: The run; `audit.json` and `clusters.csv` are written into its folder.
        say: Is told what is done.
        clusters: The `clusters.csv` of an audit of the same images in other splits.
    """
    if clusters is not None:
        copy_whole(Path(clusters), job.folder / CLUSTERS)
        return Leaks.of(job.samples, read_clusters(job.folder / CLUSTERS))
    return Leaks.of(
        job.samples, clusters_of(job.recipe, job.folder, job.samples, say, job.verbose)
    )


def clusters_of(
    recipe: Recipe,
    folder: Folder,
    samples: Samples,
    say: Callable[[str], None],
    verbose: int | str = "auto",
) -> dict[str, str] | None:
    """The clusters in a folder, which an audit puts there; None where none is wanted.

    Args:
        recipe: For the seed, and for whether an audit is wanted.
        folder: Where its files are or will be.
        samples: The images.
        say: Is told what is done.
        verbose: 0 shows no progress.
    """
    if not recipe.data.audit:
        return None
    if not (folder / CLUSTERS).is_file():
        say("Looking for copies across the splits")
        progress = None if verbose else False
        found = audit(samples, seed=recipe.seed, progress=progress)
        found.save(folder.path)
    return read_clusters(folder / CLUSTERS)


def read_clusters(path: Path) -> dict[str, str]:
    """The cluster of each id in a table that `Audit.save` wrote.

    Raises:
        DataError: The file is damaged.
    """
    with open(path, encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        names = table.fieldnames or []
        column = "cluster" if "cluster" in names else "group"
        if "id" not in names or column not in names:
            raise DataError(
                f"{path} is no table of groups with the columns id and group; remove "
                "it, and the audit is made anew."
            )
        return {row["id"]: row[column] for row in table}
