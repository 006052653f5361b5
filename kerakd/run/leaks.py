"""Test images with a copy among those that were learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerakd.data import Samples

NOT_LOOKED = "Whether test images have a copy in training was not looked for"
Clusters = Mapping[str, int | str]
# What a model was chosen by counts as seen, too.
SEEN = ("train", "validation")


@dataclass(frozen=True)
class Leaks:
    """What is known of copies across the splits of a run.

    Args:
        groups: What stands or falls together, for every sample of the run, (N,) of str:
            a patient, a cluster of copies, or both joined.
        kind: What the groups are, in words.
        has_copy: For every test image, whether a copy of it is in training or
            validation, (T,) of bool; None where that was not looked for.
        told: What `metrics.json` says about it.
    """

    groups: np.ndarray
    kind: str
    has_copy: np.ndarray | None
    told: dict[str, Any]

    @classmethod
    def of(cls, samples: Samples, clusters: Clusters | None) -> "Leaks":
        """What clusters of copies say about splits; None where none were looked for."""
        groups = joined(samples.groups, _numbers(samples, clusters))
        kind = _kind(samples, clusters)
        told: dict[str, Any] = {"looked": clusters is not None, "groups": kind}
        if clusters is None:
            return cls(groups, kind, None, told)
        copies = with_copies(samples, clusters)
        told |= {
            "test_images": len(copies),
            "with_a_copy": int(copies.sum()),
            "without_a_copy": int((~copies).sum()),
            "against": list(SEEN),
        }
        return cls(groups, kind, copies, told)

    def groups_of(self, samples: Samples, split: str) -> np.ndarray:
        """The groups of the images of a split, in table order."""
        return self.groups[(samples.table["split"] == split).to_numpy()]


def with_copies(
    samples: Samples,
    clusters: Clusters,
    of: str = "test",
    against: Sequence[str] = SEEN,
) -> np.ndarray:
    """Which images of a split share a cluster with an image of other splits.

    Args:
        samples: With their splits.
        clusters: The cluster of each id; an id that is absent stands alone.
        of: The split that is asked about.
        against: The splits in which a copy would tell the answer.

    Returns:
        Boolean, one for each image of `of`, in table order.
    """
    numbers = _numbers(samples, clusters)
    splits = samples.table["split"].to_numpy()
    seen = np.unique(numbers[np.isin(splits, list(against))])
    return np.isin(numbers[splits == of], seen)


def joined(*partitions: np.ndarray | None) -> np.ndarray:
    """The finest groups that tear apart none of the groups given.

    Args:
        *partitions: Each says for every sample what it belongs to, (N,); None is left
            out.

    Returns:
        (N,) of str: the same value where a chain of shared groups connects two samples.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    known = [
        np.unique(one, return_inverse=True)[1] for one in partitions if one is not None
    ]
    count = len(known[0])
    edges_from, edges_to, total = [], [], count
    for numbers in known:
        edges_from.append(np.arange(count))
        edges_to.append(numbers + total)
        total += int(numbers.max(initial=-1)) + 1
    rows, columns = np.concatenate(edges_from), np.concatenate(edges_to)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(total, total))
    _, component = connected_components(graph, directed=False)
    return component[:count].astype(str)


def _numbers(samples: Samples, clusters: Clusters | None) -> np.ndarray | None:
    """The cluster of each sample; one that is in none gets one of its own."""
    if clusters is None:
        return None
    alone = range(len(samples))
    keys = [
        (True, str(clusters[one])) if one in clusters else (False, str(row))
        for row, one in zip(alone, samples.ids.tolist(), strict=True)
    ]
    numbers: dict[tuple[bool, str], int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _kind(samples: Samples, clusters: Clusters | None) -> str:
    patients = len(np.unique(samples.groups)) < len(samples)
    if patients and clusters is not None:
        return "patients (or the groups given), joined by clusters of copies"
    if patients:
        return "patients (or the groups given)"
    return "clusters of copies" if clusters is not None else "single images"
