"""`load_volumes`: from a folder of cases to a checked table of them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from kerakd.data.samples import COLUMNS, Samples
from kerakd.data.splits import split
from kerakd.data.volumes.cases import (
    MODALITIES,
    SCHEME_OF_LAYOUT,
    Case,
    CaseError,
)
from kerakd.data.volumes.integrity import Finding, check_cases
from kerakd.data.volumes.layouts import find_cases
from kerakd.data.volumes.schemes import SCHEMES, LabelScheme, label_scheme
from kerakd.errors import DataError, RecipeError, nearest

_DEFAULT_MODALITIES = ("flair", "t1ce", "t2")
# The colours of the files as they are.
_DEFAULT_COLOURS = ("t1", "flair", "t1ce")
TUMOUR, NO_TUMOUR, NO_TRUTH = "tumour", "no tumour", "no truth"


@dataclass(frozen=True, eq=False, repr=False)
class Volumes:
    """Cases that were checked, one row each.

    Args:
        cases: The cases in the order of the table.
        samples: Their table: `label` is `"tumour"`, `"no tumour"` or `"no truth"`,
            `group` the patient, `width` and `height` those of a slice, `mode` the
            layout.
        modalities: The channels.
        scheme: The masks' label scheme; None where no case has a mask.
        findings: What the check saw, in the order of the table.
        bad: Cases left out, with what is wrong with them.
    """

    cases: tuple[Case, ...]
    samples: Samples
    modalities: tuple[str, ...]
    scheme: LabelScheme | None
    findings: tuple[Finding, ...]
    bad: tuple[Finding, ...] = field(default_factory=tuple)

    def __len__(self) -> int:
        return len(self.cases)

    def __repr__(self) -> str:
        patients = len(set(self.samples.table["group"]))
        return (
            f"<Volumes: {len(self)} cases of {patients} patients, "
            f"{', '.join(self.modalities)}; {self.scheme.name if self.scheme else ''}>"
        )

    @property
    def remarks(self) -> list[str]:
        """What a person should know of the data, in sentences."""
        lines = []
        if self.bad:
            told = "; ".join(f"{one.id}: {one.fault}" for one in self.bad[:5])
            more = f"; and {len(self.bad) - 5} more" if len(self.bad) > 5 else ""
            lines.append(f"Bad cases left out ({len(self.bad)}): {told}{more}.")
        for one in self.findings:
            lines.extend(f"Case {one.id}: {note}." for note in one.notes)
        if any(case.layout == "kaggle_3m" for case in self.cases):
            lines.append(
                "The slices tell no spacing: distances are in pixels, each taken as "
                "1 mm."
            )
        return lines

    def split(
        self, *, validation: float | None = 0.2, test: float | None = None, seed=0
    ) -> "Volumes":
        """Divide the cases; all of a patient stay together.

        Args:
            validation: Share of the cases.
            test: Likewise.
            seed: Of the draw.

        Raises:
            DataError: See `kerakd.data.split`.
        """
        samples = split(self.samples, validation=validation, test=test, seed=seed)
        return replace(self, samples=samples)

    def take(self, index: Sequence[int] | np.ndarray) -> "Volumes":
        """The cases at these positions, in this order."""
        index = [int(i) for i in index]
        return replace(
            self,
            cases=tuple(self.cases[i] for i in index),
            samples=self.samples.take(np.asarray(index, np.intp)),
            findings=tuple(self.findings[i] for i in index),
        )

    def subset(self, name: str) -> "Volumes":
        """The cases of one split, in the order of the table."""
        chosen = set(self.samples.subset(name).ids.tolist())
        return self.take([i for i, one in enumerate(self.cases) if one.id in chosen])


def load_volumes(
    folder: str | os.PathLike,
    *,
    modalities: Sequence[str] | None = None,
    scheme: str | LabelScheme | None = None,
    skip_bad_cases: bool = False,
    limit: int | None = None,
    progress: bool | None = None,
) -> Volumes:
    """Read a folder of cases, checking each once.

    The namings of BraTS 2018-2021, 2023 and later, of BraTS 2015 (as NIfTI), Decathlon
    and Kaggle's `kaggle_3m` are recognised. Shapes and affines have to agree between
    the modalities and the mask, and labels have to be in the scheme.

    Args:
        folder: The data set, or one case.
        modalities: Which become channels, of `t1`, `t1ce`, `t2`, `flair`; by default
            `flair`, `t1ce` and `t2`, and for `kaggle_3m` the three colours of its
            files (`t1`, `flair`, `t1ce`).
        scheme: What the numbers in the masks mean, one of
            `kerakd.data.volumes.SCHEMES`. Only the namings of BraTS 2015, BraTS
            2018-2021 and `kaggle_3m` say it themselves; elsewhere it has to be named.
        skip_bad_cases: Leave out cases that cannot be used and list them in `bad`,
            instead of raising.
        limit: At most so many cases, the first by id; for trials.
        progress: Whether to show a bar; by default on a terminal for 10 cases or more.

    Returns:
        The cases sorted by id, none of them in a split.

    Raises:
        DataError: There is no case, or one cannot be used (the first five are named).
        RecipeError: An argument is not known.

    Example:

    ```python
    volumes = kerakd.data.load_volumes("kaggle_3m")
    volumes = volumes.split(validation=11 / 75, test=19 / 75, seed=0)
    store = kerakd.data.volumes.SliceStore.build(volumes, 128, "whole_tumour")
    ```
    """
    cases = find_cases(folder)
    if limit is not None:
        cases = cases[:limit]
    modalities = _modalities(modalities, cases)
    scheme = _scheme(scheme, cases)
    findings = check_cases(cases, modalities, scheme, progress)
    bad = tuple(one for one in findings if one.fault)
    if bad and not skip_bad_cases:
        raise _refusal(bad, len(cases))
    if len(bad) == len(cases):
        raise DataError(
            f"None of the {len(cases)} cases in {folder} can be used. "
            f"{bad[0].id}: {bad[0].fault}."
        )
    kept = [i for i, one in enumerate(findings) if not one.fault]
    cases = tuple(cases[i] for i in kept)
    good = tuple(findings[i] for i in kept)
    root = Path(folder)
    return Volumes(cases, _table(cases, good, root), modalities, scheme, good, bad)


def _refusal(bad: Sequence[Finding], count: int) -> DataError:
    if len(bad) == 1:
        return CaseError(bad[0].id, bad[0].fault)
    told = " ".join(f"{one.id}: {one.fault}." for one in bad[:5])
    more = f" And {len(bad) - 5} more." if len(bad) > 5 else ""
    return DataError(
        f"{len(bad)} of {count} cases cannot be used; mend them, or leave them out "
        f"with skip_bad_cases. {told}{more}"
    )


def _modalities(given: Sequence[str] | None, cases: list[Case]) -> tuple[str, ...]:
    if given is None:
        tif = all(case.layout == "kaggle_3m" for case in cases)
        return _DEFAULT_COLOURS if tif else _DEFAULT_MODALITIES
    return check_modalities(given)


def check_modalities(given: Sequence[str]) -> tuple[str, ...]:
    """Refuse modalities that are not known, or none, or one twice.

    Raises:
        RecipeError: Names the modality.
    """
    given = tuple(given)
    for name in given:
        if name not in MODALITIES:
            raise RecipeError(
                f"There is no modality {name!r}. " + nearest(name, MODALITIES)
            )
    if not given or len(set(given)) < len(given):
        raise RecipeError(
            f"modalities must name one or more of {', '.join(MODALITIES)}, each once; "
            f"got {list(given)}."
        )
    return given


def _scheme(given: str | LabelScheme | None, cases: list[Case]) -> LabelScheme | None:
    layouts = sorted({case.layout for case in cases if case.mask is not None})
    if given is not None:
        return label_scheme(given)
    if not layouts:
        return None
    told = {SCHEME_OF_LAYOUT.get(layout) for layout in layouts}
    if None in told or len(told) > 1:
        raise RecipeError(
            f"These cases have masks in the naming of {' and '.join(layouts)}, which "
            "does not say what their numbers mean (4 is enhancing tumour up to 2021, "
            "and a resection cavity in 2024); name the label scheme with scheme=, one "
            f"of {', '.join(SCHEMES)}."
        )
    return label_scheme(told.pop())


def _table(cases: tuple[Case, ...], findings: tuple[Finding, ...], root: Path):
    rows = []
    for case, found in zip(cases, findings, strict=True):
        path = case.path.relative_to(root).as_posix()
        _, height, width = found.shape
        row = (case.id, path, _label(found), case.group, "", width, height, case.layout)
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    names = tuple(sorted(set(table["label"])))
    return Samples(table, root, names)


def _label(found: Finding) -> str:
    if found.tumour_voxels is None:
        return NO_TRUTH
    return TUMOUR if found.tumour_voxels else NO_TUMOUR
