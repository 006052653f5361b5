"""Which sample is in which split, as a file."""

import os
from pathlib import Path

from kerakd.data.groups import first_of
from kerakd.data.samples import SPLITS, Samples
from kerakd.data.splits import shared_groups
from kerakd.errors import DataError, nearest
from kerakd.files import read_json, write_json


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
    return result.with_notes(split={**note, "shared_groups": shared_groups(result)})


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
