"""Training, validation and test: stratified and seeded; folds, too."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations
from numbers import Integral, Real

import numpy as np
import pandas as pd

from kerakd.data.audit.clusters import with_clusters
from kerakd.data.groups import Groups
from kerakd.data.samples import SPLITS, Samples
from kerakd.errors import DataError

_MAX_FOLDS = 20
_ATTEMPTS = 20


def split(
    samples: Samples,
    *,
    validation: float | None = 0.2,
    test: float | None = None,
    seed: int = 0,
    groups: Groups | None = None,
    clusters: Mapping[str, int] | None = None,
    grouped: bool = False,
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
        clusters: Copies of one picture, `Audit.clusters`; whatever shares a patient or
            a cluster becomes one group.
        grouped: Divide anew what the folders had divided, so that no group stands on
            both sides. Where the folders hold a test (or validation) split and `test`
            (`validation`) is not given otherwise, the new one has its share.

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
    _check_seed(seed)
    seed = int(seed)
    if groups is not None:
        samples = samples.with_groups(groups)
    if clusters is not None:
        samples = with_clusters(samples, clusters)
    official = official_splits(samples)
    if grouped:
        test = _share_of(samples, "test", official) if test is None else test
        official = []
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
    note["shared_groups"] = shared_groups(result)
    return result.with_notes(split=note, official_splits=official)


def _share_of(samples: Samples, split: str, official: list[str]) -> float | None:
    """The share of an official split; None where the folders made none."""
    if split not in official:
        return None
    return float((samples.table["split"] == split).mean())


def folds(
    samples: Samples,
    k: int = 5,
    seed: int = 0,
    clusters: Mapping[str, int] | None = None,
    *,
    validation: float | None = None,
    groups: Groups | None = None,
) -> list[Samples]:
    """Stratified k-fold cross-validation in which no group stands on both sides.

    Splits that the folders made are set aside: every sample is tested once. The result
    depends on ids, classes, groups and the seed, not on the order of the table.

    Args:
        samples: From `load_images`.
        k: Number of folds, 2 or more.
        seed: Any integer from 0 to 2**32 - 1.
        clusters: Copies of one picture, `Audit.clusters`, joined with the groups.
        validation: Fraction of the samples outside the fold that becomes a validation
            split, in whole groups; 0 or None for none.
        groups: As in `split`.

    Returns:
        `k` tables, each with all samples in the order given: the fold is `"test"`, the
        others `"train"` (and `"validation"`).

    Raises:
        DataError: `k` or `seed` is out of range, or a class has fewer groups than
            there are folds.
    """
    if not _is(k, Integral) or k < 2:
        raise DataError(f"k must be an integer of 2 or more folds, not {k!r}.")
    _check_seed(seed)
    if groups is not None:
        samples = samples.with_groups(groups)
    if clusters is not None:
        samples = with_clusters(samples, clusters)
    table = samples.table.sort_values("id", ignore_index=True)
    for label, rows in table.groupby("label"):
        number = rows["group"].nunique()
        if number < k:
            raise DataError(
                f"The class {label!r} has {number} independent groups ({len(rows)} "
                f"images), too few for {k} folds; choose fewer folds."
            )
    from sklearn.model_selection import StratifiedGroupKFold

    parts = StratifiedGroupKFold(k, shuffle=True, random_state=int(seed)).split(
        np.zeros(len(table)), table["label"], table["group"]
    )
    found = []
    for number, (_, tested) in enumerate(parts):
        side = np.full(len(table), "train", dtype=object)
        side[tested] = "test"
        one = samples.with_splits(dict(zip(table["id"], side, strict=True)))
        one = one.with_notes(official_splits=["train", "test"])
        one = split(one, validation=validation, seed=int(seed))
        note = one.notes["split"]
        note = {**note, "fold": number, "folds": int(k), "official": []}
        note["method"] = "stratified k-fold, whole groups"
        found.append(one.with_notes(split=note))
    return found


def _check_seed(seed: int) -> None:
    if not _is(seed, Integral) or not 0 <= seed < 2**32:
        raise DataError(f"seed must be an integer from 0 to 2**32 - 1, not {seed!r}.")


def official_splits(samples: Samples) -> list[str]:
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


def shared_groups(samples: Samples) -> dict[str, int]:
    """How many groups lie in two splits; only official splits can have any."""
    groups = {
        name: set(samples.table["group"][samples.table["split"] == name])
        for name in SPLITS
    }
    shared = {
        f"{a}/{b}": len(groups[a] & groups[b]) for a, b in combinations(SPLITS, 2)
    }
    return {pair: number for pair, number in shared.items() if number}
