"""What the copies come to: how many, between which splits, with which labels."""

import numpy as np
import pandas as pd

from kerakd.data.samples import SPLITS, Samples


def summarise_copies(
    samples: Samples, pixels: np.ndarray, images: pd.DataFrame, pairs: pd.DataFrame
) -> dict:
    """Numbers on copies, JSON-able.

    Args:
        samples: The table.
        pixels: Hash of the pixels of each image.
        images: `Audit.images`.
        pairs: `Audit.pairs`.
    """
    cluster = images["cluster"].to_numpy()
    sizes = np.bincount(cluster)
    _, alike = np.unique(pixels, return_inverse=True)
    repeats = np.bincount(alike)
    near = pairs["kind"] == "near"
    return {
        "images": len(images),
        "distinct": len(sizes),
        "identical_groups": int((repeats > 1).sum()),
        "identical_redundant": int((repeats - 1).sum()),
        "near_pairs": int(near.sum()),
        "near_pairs_by_symmetry": _counts(pairs["symmetry"][near]),
        "clusters_of_copies": int((sizes > 1).sum()),
        "images_in_clusters": int(sizes[sizes > 1].sum()),
        "largest_clusters": sorted(sizes[sizes > 1].tolist(), reverse=True)[:10],
        "shared": _shared(samples, cluster, alike, pairs),
        "contradictions": _contradictions(samples, cluster, pairs),
    }


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(k): int(v) for k, v in values.value_counts().items()}


def _shared(
    samples: Samples, cluster: np.ndarray, alike: np.ndarray, pairs: pd.DataFrame
) -> dict:
    """Per judged split, the images that have a copy in what is learnt from."""
    split = samples.table["split"].to_numpy(dtype=str)
    label = samples.table["label"].to_numpy(dtype=str)
    found = {}
    for judged, against in (("test", SPLITS[:2]), ("validation", SPLITS[:1])):
        rows, learnt = split == judged, np.isin(split, against)
        if not rows.any() or not learnt.any():
            continue
        copied = np.isin(cluster, cluster[learnt]) & rows
        identical = np.isin(alike, alike[learnt]) & rows
        found[judged] = {
            "against": [name for name in against if (split == name).any()],
            "images": int(rows.sum()),
            "identical": int(identical.sum()),
            "with_copy": int(copied.sum()),
            "without_copy": int((rows & ~copied).sum()),
            "without_copy_by_class": {
                name: int((rows & ~copied & (label == name)).sum())
                for name in samples.class_names
            },
        }
    return found


def _contradictions(samples: Samples, cluster: np.ndarray, pairs: pd.DataFrame) -> dict:
    """Copies with different labels; only one of them can be right.

    Inside one known patient they are neighbouring slices, with and without lesion.
    """
    table = samples.table.assign(cluster=cluster)
    several = table.groupby("cluster")[["label", "group"]].nunique()
    several = (several["label"] > 1) & (several["group"] > 1)
    torn = table[table["cluster"].isin(several.index[several])]
    listed = [
        {
            "cluster": int(number),
            "images": dict(zip(rows["id"], rows["label"], strict=True)),
        }
        for number, rows in torn.groupby("cluster")
    ]
    return {
        "pairs": int((~pairs["same_class"] & ~pairs["same_patient"]).sum()),
        "clusters": len(listed),
        "images": len(torn),
        "list": listed[:50],
    }


def summarise_patients(samples: Samples) -> dict:
    """Whether slices of one patient stand in two splits."""
    table = samples.table
    patients = table["group"].nunique()
    known = patients < len(table)
    sides = table[table["split"] != ""].groupby("group")["split"].nunique()
    torn = sides.index[sides > 1].tolist() if known else []
    return {
        "known": bool(known),
        "patients": int(patients) if known else None,
        "in_several_splits": len(torn),
        "examples": [str(name) for name in torn[:10]],
    }
