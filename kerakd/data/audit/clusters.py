"""From pairs to clusters, and what clusters mean for splits."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from kerakd.data.groups import first_of
from kerakd.data.samples import SPLITS, Samples
from kerakd.errors import DataError, nearest


def connected(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Single linkage: which of `count` things hang together through pairs.

    Args:
        count: Number of things.
        first: One end of each pair, int `(m,)`.
        second: The other end.

    Returns:
        A number per thing, int64 `(count,)`; clusters are numbered from 0 by their
        first member.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = coo_matrix((np.ones(len(first), bool), (first, second)), (count, count))
    _, found = connected_components(edges, directed=False)
    _, start, inverse = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(start))[inverse].astype(np.int64)


def join(groups: Sequence[str], clusters: Sequence[int]) -> np.ndarray:
    """Groups in which whatever shares a patient or a cluster is together.

    Args:
        groups: Patients, `(n,)`.
        clusters: Of copies, `(n,)`.

    Returns:
        A number per sample, int64 `(n,)`.
    """
    count = len(groups)
    _, patient = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    _, cluster = np.unique(np.asarray(clusters), return_inverse=True)
    # A sample is an edge between its patient and its cluster.
    nodes = patient.max(initial=-1) + 1 + cluster.max(initial=-1) + 1
    found = connected(nodes, patient, patient.max(initial=-1) + 1 + cluster)
    return found[patient] if count else np.zeros(0, np.int64)


def with_clusters(samples: Samples, clusters: Mapping[str, int]) -> Samples:
    """The samples in groups that join patients and clusters of copies.

    A joined group bears the smallest of its sample ids, so that it does not depend on
    the order of the table.

    Args:
        samples: A table of samples.
        clusters: `Audit.clusters`: a number for every id.

    Raises:
        DataError: Some samples have no cluster (the first are named).
    """
    joined = join(samples.groups, cluster_of_each(samples, clusters))
    names: dict[int, str] = {}
    for number, name in sorted(zip(joined.tolist(), samples.ids.tolist(), strict=True)):
        names.setdefault(number, name)
    ids = samples.ids.tolist()
    return samples.with_groups(
        {name: names[n] for name, n in zip(ids, joined.tolist(), strict=True)}
    )


def clusters_for(
    samples: Samples, folder: str | os.PathLike | None = None
) -> dict[str, int]:
    """The clusters of copies among samples: from a saved audit, or by looking.

    Args:
        samples: A table whose images are on this machine.
        folder: What `Audit.save` wrote for these images; None to look now.

    Raises:
        DataError: The audit is of other data, or damaged.
    """
    from kerakd.data.audit.result import Audit

    if folder is None:
        from kerakd.data.audit import audit

        return audit(samples, probe=False).clusters
    clusters = Audit.load(folder).clusters
    cluster_of_each(samples, clusters)
    return clusters


def cluster_of_each(samples: Samples, clusters: Mapping[str, int]) -> np.ndarray:
    """The cluster of every sample, int64 `(n,)`."""
    if not isinstance(clusters, Mapping):
        raise DataError(
            "clusters must be a mapping from id to a number, as Audit.clusters is, not "
            f"{type(clusters).__name__}."
        )
    ids = samples.ids.tolist()
    missing = [name for name in ids if name not in clusters]
    if missing:
        raise DataError(
            f"The clusters lack {len(missing)} of {len(ids)} samples: "
            f"{first_of(missing, 3)}. Audit these data, not others."
        )
    return np.array([clusters[name] for name in ids], dtype=np.int64)


def without_copies(
    samples: Samples,
    clusters: Mapping[str, int],
    of: str = "test",
    against: Sequence[str] = ("train", "validation"),
) -> np.ndarray:
    """Which images of a split have no copy in the splits that a model learnt from.

    Args:
        samples: The table, with its splits.
        clusters: `Audit.clusters`.
        of: The split that is judged on.
        against: The splits that the model learnt from or was chosen by.

    Returns:
        bool `(len(samples),)`: True for images of the split `of` whose cluster has no
        member in `against`; False for all images of other splits.

    Raises:
        DataError: There is no such split, or samples have no cluster.

    Example:

    ```python
    clean = kerakd.data.without_copies(samples, found.clusters)
    fair = samples.take(clean)                      # test images without a copy
    among_test = clean[samples.table["split"] == "test"]
    ```
    """
    against = (against,) if isinstance(against, str) else tuple(against)
    for name in (of, *against):
        if name not in SPLITS:
            raise DataError(f"There is no split {name!r}. " + nearest(name, SPLITS))
    cluster = cluster_of_each(samples, clusters)
    split = samples.table["split"].to_numpy(dtype=str)
    learnt = np.unique(cluster[np.isin(split, against)])
    return (split == of) & ~np.isin(cluster, learnt)
