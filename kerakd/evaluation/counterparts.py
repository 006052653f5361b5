"""A model's classes and those of other data: which stand for which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerakd.data.aliases import BRAIN_TUMOUR_ALIASES, fold, rename
from kerakd.errors import DataError, nearest
from kerakd.evaluation.classification import class_logits

# What a model may say that the data have no class for.
OTHER = "(no counterpart)"
_NONE = {"no", "n", "none", "negative", "normal", "healthy", "0"} | {
    fold(name) for name in ("notumor", *BRAIN_TUMOUR_ALIASES["notumor"])
}
_SOME = {"yes", "y", "positive", "abnormal", "tumor", "tumour", "1"}


@dataclass(frozen=True)
class Counterparts:
    """Which of a model's classes each class of other data stands for.

    Args:
        ours: The model's classes, in the order of its logits.
        theirs: For each class of the data the model's classes that it comprises; none
            where the model knows no such class.
    """

    ours: tuple[str, ...]
    theirs: dict[str, tuple[str, ...]]

    @property
    def left_out(self) -> list[str]:
        """Classes of the data that the model does not know; not in any figure."""
        return [name for name, members in self.theirs.items() if not members]

    @property
    def unmatched(self) -> list[str]:
        """Classes of the model that the data do not have: naming one is wrong."""
        used = {one for members in self.theirs.values() for one in members}
        return [name for name in self.ours if name not in used]

    @property
    def class_names(self) -> list[str]:
        """The classes that are told apart, `OTHER` last where there may be others."""
        names = list(self._sets())
        return [*names, OTHER] if self.unmatched else names

    def labels(self, names: Sequence[str]) -> np.ndarray:
        """Class names of the data as indices into `class_names`; -1 is left out."""
        place = {
            name: index
            for index, members in enumerate(self._sets().values())
            for name, theirs in self.theirs.items()
            if theirs == members
        }
        return np.array([place.get(name, -1) for name in names], np.int64)

    def logits(self, logits: np.ndarray) -> np.ndarray:
        """A model's logits as those of `class_names`.

        The softmax of what comes out gives each class the sum of the probabilities of
        its members.

        Args:
            logits: Shape (N, C) of the model's C classes.
        """
        from scipy.special import logsumexp

        logits = class_logits(logits).astype(np.float64)
        members = list(self._sets().values())
        if self.unmatched:
            members.append(tuple(self.unmatched))
        columns = [[self.ours.index(one) for one in each] for each in members]
        each = [logsumexp(logits[:, column], axis=1) for column in columns]
        return np.stack(each, axis=1).astype(np.float32)

    def _sets(self) -> dict[str, tuple[str, ...]]:
        """Classes told apart: those of the data that mean the same are one."""
        sets: dict[tuple[str, ...], list[str]] = {}
        for name, members in self.theirs.items():
            if members:
                sets.setdefault(members, []).append(name)
        return {" / ".join(names): members for members, names in sets.items()}


def find_counterparts(
    ours: Sequence[str],
    theirs: Sequence[str],
    given: Mapping[str, str | Sequence[str]] | None = None,
) -> Counterparts:
    """Match the classes of other data with those of a model.

    What is not given is found by name: the same name, whatever its case, spaces,
    hyphens and underscores; the usual spellings of the brain-tumour classes; `no` and
    `yes` (and `negative`, `normal`, `positive` ...) as the model's class without a
    finding and all its other classes together; and a first letter or letters that only
    one class of the model has, such as `B` for `benign`.

    Args:
        ours: The model's classes.
        theirs: Those of the data.
        given: By class of the data, one class of the model or several that it
            comprises; none (an empty list) leaves the class out.

    Returns:
        The matching.

    Raises:
        DataError: A name in `given` is unknown, no two classes match, or two classes
            of the data claim classes of the model that overlap without being equal.
    """
    ours, theirs = tuple(map(str, ours)), list(map(str, theirs))
    given = dict(given or {})
    found = {}
    for name in given:
        if name not in theirs:
            raise DataError(f"The data have no class {name!r}. {nearest(name, theirs)}")
    for name in theirs:
        if name in given:
            wanted = given[name]
            wanted = [wanted] if isinstance(wanted, str) else list(wanted)
            for one in wanted:
                if one not in ours:
                    raise DataError(
                        f"The model has no class {one!r}. {nearest(one, ours)}"
                    )
            found[name] = tuple(one for one in ours if one in wanted)
        else:
            found[name] = _by_name(name, ours)
    _check(ours, found)
    return Counterparts(ours, found)


def _by_name(name: str, ours: tuple[str, ...]) -> tuple[str, ...]:
    spelled = {fold(new): old for old, new in rename(ours, True).items()}
    key = fold(rename([name], True)[name])
    if key in spelled:
        return (spelled[key],)
    none = [one for one in ours if fold(one) in _NONE]
    if fold(name) in _NONE and len(none) == 1:
        return tuple(none)
    if fold(name) in _SOME:
        some = [one for one in ours if fold(one) in _SOME]
        if len(some) == 1:
            return tuple(some)
        return tuple(one for one in ours if one not in none) if none else ()
    starting = [one for one in ours if fold(one).startswith(key)]
    return tuple(starting) if len(starting) == 1 else ()


def _check(ours: tuple[str, ...], found: dict[str, tuple[str, ...]]) -> None:
    sets = {members for members in found.values() if members}
    example = f"such as {next(iter(found), 'no')}={ours[0]}"
    for one in sets:
        for other in sets:
            if one != other and set(one) & set(other):
                names = [n for n, m in found.items() if m in (one, other)]
                raise DataError(
                    f"The classes {', '.join(names)} of the data overlap in the "
                    f"model's {', '.join(sorted(set(one) & set(other)))}; say with "
                    f"--map which stands for which, {example}."
                )
    if len(sets) < 2:
        listed = ", ".join(f"{k} as {' + '.join(v)}" for k, v in found.items() if v)
        raise DataError(
            f"The data's classes ({', '.join(found)}) and the model's "
            f"({', '.join(ours)}) have too little in common "
            f"({listed or 'no class matches'}); at least two have to match: say with "
            f"--map which stand for which, {example}."
        )
