"""How far one gets without looking at the anatomy.

A random forest is given only what should not tell the class: the border of the picture,
ten numbers on its grey values, the file's size and format. Copies and patients are kept
on one side of each fold, so that what it learns is a rule and not a picture.
"""

import warnings

import numpy as np
import pandas as pd

from kerakd.data.audit.marks import STATISTICS, THUMB, Marks
from kerakd.data.samples import Samples

BORDER, GLOBAL, FILE, ALL = "border pixels", "global statistics", "file facts", "all"
_TREES = 100
_FOLDS = 5
# More images would only take longer.
_MOST = 20_000


def probe_shortcuts(
    samples: Samples, marks: Marks, groups: pd.Series, seed: int
) -> dict:
    """Cross-validated accuracy from what should not tell the class, JSON-able.

    Args:
        samples: The table.
        marks: What one look at each image gave.
        groups: Patients and clusters of copies joined, one per sample.
        seed: Of folds and forests.

    Returns:
        `{"probes": {name: {"accuracy", "balanced_accuracy", "classes": {class:
        {"accuracy", "chance", "auc"}}}}, "chance", "balanced_chance", ...}`, each class
        against the others; or `{"skipped": why}`.
    """
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    labels = samples.labels
    random = np.random.default_rng(seed)
    rows = np.arange(len(samples))
    if len(rows) > _MOST:
        rows = np.sort(random.choice(rows, _MOST, replace=False))
    count = len(samples.class_names)
    if count < 2:
        return {"skipped": "there is one class only"}
    y, group = labels[rows], groups.to_numpy(dtype=str)[rows]
    independent = [len(np.unique(group[y == one])) for one in range(count)]
    folds = min(_FOLDS, *independent)
    if folds < 2 or len(rows) < 10 * count:
        return {"skipped": "a class has too few independent images"}
    probes = {}
    for name, features in _features(samples, marks).items():
        p = _out_of_fold(features[rows], y, group, folds, seed)
        answers = p.argmax(axis=1)
        classes = {}
        for index, label in enumerate(samples.class_names):
            truth = y == index
            said = p[:, index] > 0.5
            classes[label] = {
                "accuracy": float((said == truth).mean()),
                "chance": float(max(truth.mean(), 1 - truth.mean())),
                "auc": float(roc_auc_score(truth, p[:, index])),
            }
        probes[name] = {
            "features": features.shape[1],
            "accuracy": float((answers == y).mean()),
            "balanced_accuracy": float(balanced_accuracy_score(y, answers)),
            "classes": classes,
        }
    return {
        "method": f"random forest of {_TREES} trees, {folds} folds of whole groups",
        "images": len(rows),
        "folds": folds,
        "seed": seed,
        "chance": float(np.bincount(y).max() / len(y)),
        "balanced_chance": 1 / count,
        "statistics": list(STATISTICS),
        "probes": probes,
    }


def _features(samples: Samples, marks: Marks) -> dict[str, np.ndarray]:
    ring = np.ones((THUMB, THUMB), bool)
    ring[1:-1, 1:-1] = False
    facts = marks.facts
    codes = [
        np.unique(facts[name].astype(str), return_inverse=True)[1]
        for name in ("mode", "format", "encoding")
    ]
    size = facts["bytes"].to_numpy(np.float64)
    area = samples.table["width"].to_numpy() * samples.table["height"].to_numpy()
    numbers = [size, size / area, samples.table["width"], samples.table["height"]]
    found = {
        BORDER: marks.thumbs[:, ring].astype(np.float32),
        GLOBAL: marks.statistics,
        FILE: np.stack([*codes, *numbers], axis=1).astype(np.float32),
    }
    return {**found, ALL: np.concatenate(list(found.values()), axis=1)}


def _out_of_fold(
    features: np.ndarray, y: np.ndarray, groups: np.ndarray, folds: int, seed: int
) -> np.ndarray:
    """Probability of each class by a forest that saw none of the group, `(n, c)`."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedGroupKFold

    p = np.zeros((len(y), y.max() + 1))
    parts = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for learn, judge in parts.split(features, y, groups):
        forest = RandomForestClassifier(
            _TREES, min_samples_leaf=2, n_jobs=-1, random_state=seed
        )
        # scikit-learn's threads warn where no warning is filtered, which is so after
        # Pillow's threads.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            forest.fit(features[learn], y[learn])
            found = forest.predict_proba(features[judge])
        p[np.ix_(judge, forest.classes_)] = found
    return p
