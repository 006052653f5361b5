"""The audit, step by step."""

import os

import numpy as np
import pandas as pd

from kerakd.data.audit import confirm as detail
from kerakd.data.audit.clusters import connected, join
from kerakd.data.audit.gather import gather
from kerakd.data.audit.index import SYMMETRIES, Candidates, candidates
from kerakd.data.audit.marks import Marks, bar, look_at_all
from kerakd.data.audit.result import PAIR_COLUMNS, Audit
from kerakd.data.audit.summary import summarise
from kerakd.data.groups import Groups
from kerakd.data.samples import Samples
from kerakd.errors import DataError


def perform(
    source: str | os.PathLike | Samples,
    *,
    groups: Groups | None,
    aliases: bool,
    with_probe: bool,
    seed: int,
    progress: bool | None,
) -> Audit:
    """Carry out `kerakd.data.audit`; its arguments are described there."""
    samples = gather(source, groups, aliases, progress)
    marks = look_at_all(samples.paths, progress)
    samples, marks = _readable(samples, marks)
    alone = _first_of_each(marks.pixels)
    near, compared, crowded = _near_pairs(samples, marks, alone, progress)
    pairs = _table(samples, marks.pixels, near)
    position = {name: row for row, name in enumerate(samples.ids.tolist())}
    clusters = connected(
        len(samples),
        pairs["id_a"].map(position).to_numpy(np.int64),
        pairs["id_b"].map(position).to_numpy(np.int64),
    )
    joined = join(samples.groups, clusters)
    images = pd.DataFrame(
        {
            "id": samples.table["id"],
            "cluster": clusters,
            # Named by its smallest id, as in `split`.
            "group": samples.table.groupby(joined)["id"].transform("min"),
            "label": samples.table["label"],
            "split": samples.table["split"],
        }
    )
    searched = {
        "compared_pairs": compared,
        "crowded_images": crowded,
        "thresholds": {
            "thumbnails": detail.COARSE,
            "detail": detail.DETAIL,
            "local_detail": detail.LOCAL,
        },
    }
    summary = summarise(samples, marks, images, pairs, searched, with_probe, seed)
    return Audit(images, pairs, summary, samples)


def _readable(samples: Samples, marks: Marks) -> tuple[Samples, Marks]:
    """Leave out what could not be read, and note it."""
    if marks.bad:
        ids = samples.ids
        bad = [{"id": str(ids[row]), "reason": reason} for row, reason in marks.bad]
        keep = np.ones(len(samples), bool)
        keep[[row for row, _ in marks.bad]] = False
        samples = samples.take(keep).with_notes(bad=samples.notes.get("bad", []) + bad)
        marks = Marks(
            marks.pixels[keep],
            marks.thumbs[keep],
            marks.statistics[keep],
            marks.facts[keep].reset_index(drop=True),
            [],
        )
    if not len(samples):
        raise DataError("None of the images can be read; there is nothing to audit.")
    sizes = {name: marks.facts[name].to_numpy() for name in ("width", "height", "mode")}
    table = samples.table.assign(**sizes)
    classes = tuple(sorted(set(table["label"])))
    return Samples(table, samples.root, classes, samples.notes), marks


def _first_of_each(values: np.ndarray) -> np.ndarray:
    """Positions of the first occurrence of every value, in order of the values."""
    return np.unique(values, return_index=True)[1]


def _near_pairs(
    samples: Samples, marks: Marks, alone: np.ndarray, progress: bool | None
) -> tuple[tuple[np.ndarray, ...], int, int]:
    """Copies among pictures that are not identical, as positions in the table."""
    alone = np.sort(alone)
    with bar("Looking for copies", 7 * len(alone), progress) as advance:
        found = candidates(marks.thumbs[alone], detail.COARSE, advance)
    paths = samples.paths
    whole, local = detail.confirm(found, [paths[row] for row in alone], progress)
    copy = detail.is_copy(found.correlation, whole, local)
    rows = np.flatnonzero(copy)
    # Symmetric pictures match in several ways; the best one is told.
    order = rows[np.argsort(-whole[rows], kind="stable")]
    keys = found.first[order] * len(samples) + found.second[order]
    best = np.sort(order[np.unique(keys, return_index=True)[1]])
    near = (
        alone[found.first[best]],
        alone[found.second[best]],
        found.symmetry[best],
        found.correlation[best],
        whole[best],
        local[best],
    )
    return near, _pairs_in(found, len(alone)), found.crowded


def _pairs_in(found: Candidates, count: int) -> int:
    return len(np.unique(found.first * count + found.second))


def _table(
    samples: Samples, pixels: np.ndarray, near: tuple[np.ndarray, ...]
) -> pd.DataFrame:
    _, first, inverse = np.unique(pixels, return_index=True, return_inverse=True)
    exact_b = np.flatnonzero(first[inverse] != np.arange(len(pixels)))
    exact_a = first[inverse][exact_b]
    a = np.concatenate([exact_a, near[0]])
    b = np.concatenate([exact_b, near[1]])
    ones = np.ones(len(exact_a))
    ids = samples.ids
    label = samples.table["label"].to_numpy(dtype=str)
    split = samples.table["split"].to_numpy(dtype=str)
    turns = np.concatenate([np.zeros(len(exact_a), int), near[2]])
    table = pd.DataFrame(
        {
            "id_a": ids[a],
            "id_b": ids[b],
            "kind": np.repeat(["exact", "near"], [len(exact_a), len(near[0])]),
            "symmetry": np.array(SYMMETRIES)[turns],
            "correlation": np.concatenate([ones, near[3]]).round(4),
            "detail": np.concatenate([ones, near[4]]).round(4),
            "local_detail": np.concatenate([ones, near[5]]).round(4),
            "same_class": label[a] == label[b],
            "same_split": split[a] == split[b],
            "same_patient": samples.groups[a] == samples.groups[b],
        },
        columns=list(PAIR_COLUMNS),
    )
    return table.sort_values(["kind", "id_a", "id_b"], ignore_index=True)
