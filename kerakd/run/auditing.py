"""The audit of a run: copies across the splits, looked for once, before training."""

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import kerakd.data
from kerakd.errors import DataError
from kerakd.files import write_text
from kerakd.run.job import Job
from kerakd.run.leaks import Leaks

CLUSTERS = "clusters.csv"
AUDIT = "audit.json"


def look_for_leaks(job: Job, say: Callable[[str], None]) -> Leaks:
    """What is known of copies across the splits, from the run folder or an audit.

    Args:
        job: The run; `audit.json` and `clusters.csv` are written into its folder.
        say: Is told what is done.
    """
    path = job.folder / CLUSTERS
    if not job.recipe.data.audit:
        return Leaks.of(job.samples, None)
    if not path.is_file():
        if not hasattr(kerakd.data, "audit"):
            return Leaks.of(job.samples, None)
        say("Looking for copies across the splits")
        found = kerakd.data.audit(job.samples)
        found.save(job.folder / AUDIT)
        # Last, as it is the file that says that the audit is done.
        write_clusters(path, found.clusters)
    return Leaks.of(job.samples, read_clusters(path))


def write_clusters(path: Path, clusters: Mapping[str, int]) -> None:
    """Write which images are copies of one another, as a table of groups."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("id", "group"))
    table.writerows(clusters.items())
    write_text(path, text.getvalue())


def read_clusters(path: Path) -> dict[str, str]:
    """Read what `write_clusters` wrote.

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
