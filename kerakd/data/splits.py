"""Training, validation and test: stratified, seeded, and kept in a file."""

import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import pandas as pd

from kerakd.data.groups import Groups, first_of
from kerakd.data.samples import SPLITS, Samples
from kerakd.errors import DataError, nearest
from kerakd.files import read_json, write_json

_MAX_FOLDS = 20
_ATTEMPTS = 20


def split(
    samples: Samples,
    *,
    validation: float | None = 0.2,
    test: float | None = None,
    seed: int = 0,
    groups: Groups | None = None,
) -> Samples:
    """Divide samples into training, validation and test.

    Every class keeps its share in every split, and no group is in two of them. Splits
    that the folders themselves made are kept: an official test set is never touched,
    and only what is left is divided. The result depends on the ids, classes, groups
    and the seed; not on the order of the table, nor on an earlier `split`.

    Args:
        samples: From `load_images`.
        validation: Fraction of the samples to divide, in (0, 1), that becomes the
            validation split; 0 or None for none. Not used where the folders hold a
            validation split.
        test: The same for the test split; None keeps that of the folders, if any.
        seed: Any integer from 0 to 2**32 - 1.
        groups: What belongs together, if `samples.groups` does not say it: a mapping,
            function, regular expression or CSV file (see
            `kerakd.data.groups.assign_groups`).

    Returns:
        The samples in the order given, with their splits; `notes["split"]` tells seed,
        method and fractions, and how many groups an official split has in common with
        training.

    Raises:
        DataError: A fraction is out of range, or a class has too few samples or groups
            to be in every split.

    Example:

    ```python
    samples = kerakd.data.load_images("breast-ultrasound")
    samples = kerakd.data.split(samples, validation=0.15, test=0.2, seed=1)
    kerakd.data.save_splits(samples, "runs/first/splits.json")
    ```
    """
    if not _is(seed, Integral) or not 0 <= seed < 2**32:
        raise DataError(f"seed must be an integer from 0 to 2**32 - 1, not {seed!r}.")
    seed = int(seed)
    if groups is not None:
        samples = samples.with_groups(groups)
    official = _official_splits(samples)
    wanted = _wanted(validation, test, official)
    fixed = samples.table["split"].isin(set(official) - {"train"})
    pool = samples.table[~fixed].sort_values("id", ignore_index=True)
    grouped = bool(pool["group"].duplicated().any())
    assigned = dict(zip(samples.table["id"], samples.table["split"], strict=True))
    assigned |= dict.fromkeys(pool["id"], "train")
    _check_sizes(pool, wanted, grouped)
    rest = pool
    for step, (name, fraction) in enumerate(wanted.items()):
        number = round(fraction * len(pool))
        chosen = _choose(rest, number, seed, grouped, len(wanted) - step)
        if chosen is None:
            raise DataError(_impossible(name, number, pool))
        assigned |= dict.fromkeys(rest["id"][chosen], name)
        rest = rest[~chosen].reset_index(drop=True)
    note = {
        "seed": seed,
        "method": _method(wanted, grouped),
        "fractions": wanted,
        "official": [name for name in official if name != "train"],
    }
    result = samples.with_splits(assigned)
    note["shared_groups"] = _shared_groups(result)
    return result.with_notes(split=note, official_splits=official)


def _official_splits(samples: Samples) -> list[str]:
    """The splits that the folders made, as against those of an earlier `split`."""
    if "official_splits" in samples.notes:
        return list(samples.notes["official_splits"])
    present = set(samples.table["split"])
    return [name for name in SPLITS if name in present]


def _is(value: object, kind: type) -> bool:
    """Whether a value is a number of that kind; False and True are not."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _wanted(
    validation: float | None, test: float | None, official: list[str]
) -> dict[str, float]:
    """`{split to make: fraction}`, the test split first."""
    if test and "test" in official:
        raise DataError(
            f"test={test} was asked for, but the folders hold a test split, which is "
            "kept; leave test out."
        )
    wanted = {}
    for name, fraction in (("test", test), ("validation", validation)):
        if fraction is None or name in official:
            continue
        if _is(fraction, Real) and fraction == 0:
            continue
        if not _is(fraction, Real) or not 0 < fraction < 1:
            raise DataError(
                f"{name} must be a fraction between 0 and 1, such as 0.2, "
                f"not {fraction!r}."
            )
        wanted[name] = float(fraction)
    if sum(wanted.values()) >= 1:
        raise DataError(
            f"validation={validation} and test={test} leave nothing for training; "
            "their sum must be below 1."
        )
    return wanted


def _method(wanted: dict[str, float], grouped: bool) -> str:
    if not wanted:
        return "the folders' own"
    return "stratified by class, whole groups" if grouped else "stratified by class"


def _check_sizes(pool: pd.DataFrame, wanted: dict[str, float], grouped: bool) -> None:
    """Every class can be in every split."""
    needed = ["train", *reversed(wanted)]
    if len(needed) == 1:
        return
    for label, rows in pool.groupby("label"):
        number = rows["group"].nunique()
        if number < len(needed):
            what = f"{number} {'group' if grouped else 'image'}{'s'[: number != 1]}"
            of = f" ({len(rows)} images)" if grouped else ""
            raise DataError(
                f"The class {label!r} has {what}{of}, too few to be in each of "
                f"{', '.join(needed)}; add some, or make fewer splits."
            )


def _impossible(name: str, number: int, pool: pd.DataFrame) -> str:
    counts = pool["label"].value_counts().sort_index()
    listed = ", ".join(f"{label} {count}" for label, count in counts.items())
    return (
        f"Not every class gets into a {name} split of {number} of {len(pool)} images "
        f"({listed}); choose another fraction for it, or add images."
    )


def _choose(
    pool: pd.DataFrame, number: int, seed: int, grouped: bool, splits_left: int
) -> np.ndarray | None:
    """Take about `number` rows with all classes in them.

    Args:
        pool: The rows to choose from, sorted by id.
        number: How many; met exactly without groups, nearly with groups.
        seed: The seed of the split.
        grouped: Whether rows share groups.
        splits_left: How many splits the other rows will make, with every class in each.

    Returns:
        A boolean mask over `pool`, or None where that cannot be done.
    """
    classes = pool["label"].nunique()
    smallest = int(pool.groupby("label")["group"].nunique().min())
    if smallest < 2 or not classes <= number <= len(pool) - classes:
        return None
    target = pool["label"].value_counts() * (number / len(pool))
    best, least = None, np.inf
    for chosen in _candidates(pool, number, seed, grouped, min(_MAX_FOLDS, smallest)):
        left = pool[~chosen].groupby("label")["group"].nunique()
        if len(left) < classes or left.min() < splits_left:
            continue
        counts = pool["label"][chosen].value_counts()
        off = counts.sub(target, fill_value=0).abs().sum()
        if len(counts) == classes and off < least:
            best, least = chosen, off
        if least <= classes:  # a sample per class: as good as it needs to be
            break
    return best


def _candidates(
    pool: pd.DataFrame, number: int, seed: int, grouped: bool, max_folds: int
) -> Iterator[np.ndarray]:
    """Boolean masks over `pool` of about `number` rows, by scikit-learn."""
    # Imported here: it takes seconds, and reading splits from a file needs none of it.
    from sklearn.model_selection import StratifiedGroupKFold, train_test_split

    rows = np.arange(len(pool))
    if not grouped:
        _, chosen = train_test_split(
            rows, test_size=number, stratify=pool["label"], random_state=seed
        )
        yield np.isin(rows, chosen)
        return
    share = Fraction(number / len(pool)).limit_denominator(max_folds)
    share = min(max(share, Fraction(1, max_folds)), 1 - Fraction(1, max_folds))
    for attempt in range(_ATTEMPTS):
        state = int(np.random.SeedSequence([seed, attempt]).generate_state(1)[0])
        folds = StratifiedGroupKFold(
            share.denominator, shuffle=True, random_state=state
        ).split(rows, pool["label"], pool["group"])
        folds = [np.isin(rows, fold) for _, fold in folds]
        yield _best_union(folds, share.numerator, pool["label"], number)


def _best_union(
    folds: list[np.ndarray], count: int, labels: pd.Series, number: int
) -> np.ndarray:
    """Join `count` folds, each time the one that keeps the classes in proportion."""
    one_hot = pd.get_dummies(labels).to_numpy(np.float64)
    share = one_hot.mean(axis=0)
    per_fold = np.array([one_hot[fold].sum(axis=0) for fold in folds])
    joined, total = [], np.zeros(len(share))
    for step in range(1, count + 1):
        off = np.abs(total + per_fold - share * number * step / count).sum(axis=1)
        off[joined] = np.inf
        joined.append(int(off.argmin()))
        total += per_fold[joined[-1]]
    return np.any([folds[i] for i in joined], axis=0)


def _shared_groups(samples: Samples) -> dict[str, int]:
    """How many groups lie in two splits; only official splits can have any."""
    groups = {
        name: set(samples.table["group"][samples.table["split"] == name])
        for name in SPLITS
    }
    shared = {
        f"{a}/{b}": len(groups[a] & groups[b]) for a, b in combinations(SPLITS, 2)
    }
    return {pair: number for pair, number in shared.items() if number}


def save_splits(samples: Samples, path: str | os.PathLike) -> Path:
    """Write which sample is in which split.

    Args:
        samples: From `split`.
        path: The file, e.g. `"runs/first/splits.json"`.

    Returns:
        The path.

    Raises:
        DataError: Some samples are in no split.
    """
    loose = samples.table["id"][samples.table["split"] == ""].tolist()
    if loose:
        raise DataError(
            f"{len(loose)} samples are in no split yet ({first_of(loose, 3)}); "
            "call split(samples) first."
        )
    note = samples.notes.get("split", {})
    ids = samples.table.groupby("split")["id"]
    present = [name for name in SPLITS if name in ids.groups]
    return write_json(
        path,
        {
            "seed": note.get("seed"),
            "method": note.get("method", "the folders' own"),
            "counts": samples.counts,
            "splits": {name: sorted(ids.get_group(name)) for name in present},
        },
    )


def load_splits(samples: Samples, path: str | os.PathLike) -> Samples:
    """Put samples into the splits that a file says.

    Args:
        samples: The same images that the file was made for; their order and present
            splits do not matter.
        path: A file that `save_splits` wrote.

    Returns:
        The samples in the order given, with the splits of the file.

    Raises:
        DataError: The file is damaged, or names other samples (they are listed).
    """
    splits = _read(Path(path))
    assigned: dict[str, str] = {}
    for name, ids in splits["splits"].items():
        for identity in ids:
            if identity in assigned:
                raise DataError(
                    f"{path} names {identity} twice, in {assigned[identity]} and "
                    f"{name}."
                )
            assigned[identity] = name
    known = set(samples.table["id"])
    absent = sorted(assigned.keys() - known)
    extra = sorted(known - assigned.keys())
    faults = []
    if absent:
        faults.append(f"the data lack {len(absent)} of its samples: {first_of(absent)}")
    if extra:
        faults.append(f"it lacks {len(extra)} samples of the data: {first_of(extra)}")
    if faults:
        raise DataError(
            f"{path} was made for other data: {'; '.join(faults)}. Use the data it was "
            "made for, or make new splits."
        )
    result = samples.with_splits(assigned)
    note = {"seed": splits.get("seed"), "method": splits.get("method")}
    return result.with_notes(split={**note, "shared_groups": _shared_groups(result)})


def _read(path: Path) -> dict:
    content = read_json(path)
    splits = content.get("splits") if isinstance(content, dict) else None
    if not isinstance(splits, dict) or not all(
        isinstance(ids, list) and all(isinstance(i, str) for i in ids)
        for ids in splits.values()
    ):
        raise DataError(
            f"{path} holds no splits; expected "
            '{"splits": {"train": [ids], "test": [ids]}}.'
        )
    for name in splits:
        if name not in SPLITS:
            raise DataError(
                f"{path} has the unknown split {name!r}. " + nearest(name, SPLITS)
            )
    return content
