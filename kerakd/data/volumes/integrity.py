"""The check before training: every case read once, every fault in plain words."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kerakd.data.volumes.cases import Case, CaseError
from kerakd.data.volumes.normalising import brain_mask
from kerakd.data.volumes.reading import read_case
from kerakd.data.volumes.schemes import LabelScheme

_MANY = 10  # cases: below, a progress bar would only flash


@dataclass(frozen=True)
class Finding:
    """What the check saw of one case.

    Args:
        id: The case.
        fault: Why it cannot be used; empty where it can.
        shape: Slices, height and width.
        spacing: Millimetres between slices, rows and columns.
        brain_voxels: Voxels of the brain.
        tumour_voxels: Voxels of the whole tumour; None without a mask.
        notes: What is unusual and no fault.
    """

    id: str
    fault: str = ""
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    brain_voxels: int = 0
    tumour_voxels: int | None = None
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The same, JSON-able."""
        told = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in told.items()}


def check_case(
    case: Case, modalities: Sequence[str], scheme: LabelScheme | str | None
) -> Finding:
    """Read a case, and tell what is wrong with it.

    Args:
        case: From `find_cases`.
        modalities: Which are needed.
        scheme: What the mask's numbers mean.
    """
    try:
        volumes = read_case(case, modalities, scheme)
        brain = brain_mask(volumes)
        for channel, name in enumerate(volumes.modalities):
            values = volumes.images[..., channel][brain]
            if values.min() == values.max():
                raise CaseError(
                    case.id,
                    f"its {name} is {values[0]:g} everywhere in the brain; export it "
                    "again",
                )
    except CaseError as error:
        return Finding(case.id, error.reason)
    notes = list(volumes.notes)
    tumour = None
    if volumes.classes is not None:
        tumour = int(np.count_nonzero(volumes.classes))
        if tumour == 0:
            notes.append("its mask is empty: a case without tumour")
        elif not brain[volumes.classes > 0].any():
            notes.append("its tumour lies wholly outside the brain")
    return Finding(
        case.id,
        "",
        tuple(map(int, brain.shape)),
        tuple(round(s, 5) for s in volumes.spacing),
        int(np.count_nonzero(brain)),
        tumour,
        tuple(notes),
    )


def check_cases(
    cases: Sequence[Case],
    modalities: Sequence[str],
    scheme: LabelScheme | str | None,
    progress: bool | None = None,
) -> list[Finding]:
    """`check_case` for each, by two threads, with a bar for a person who waits."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if progress is None:
        progress = console.is_terminal and len(cases) >= _MANY
    found = []
    with (
        # A case takes some hundred megabytes, so not by all cores at once.
        ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool,
        Progress(console=console, transient=True, disable=not progress) as bar,
    ):
        task = bar.add_task("Checking cases", total=len(cases))
        for one in pool.map(lambda c: check_case(c, modalities, scheme), cases):
            found.append(one)
            bar.advance(task)
    return found
