"""Which samples belong together (one patient, one cluster of duplicates)."""

import csv
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kerakd.errors import DataError, nearest

Groups = Mapping[str, str] | Callable[[str], str] | re.Pattern | str | os.PathLike


def assign_groups(ids: Sequence[str], groups: Groups) -> list[str]:
    """The group of every sample.

    Args:
        ids: Sample ids, such as `"Training/glioma/p017_slice4.jpg"`.
        groups: One of

            - a mapping from id to group, which must hold every id;
            - a function of the id;
            - a regular expression (text or compiled) searched for in the id: the group
              is its first parenthesis, or the whole match, e.g. `r"(p\d+)_slice"`;
            - the path of a `.csv` file with the columns `id` and `group`.

    Returns:
        One group per id, as text.

    Raises:
        DataError: Some ids get no group (they are named), or the file is unusable.
    """
    if isinstance(groups, str) and not groups.lower().endswith(".csv"):
        try:
            groups = re.compile(groups)
        except re.error as error:
            raise DataError(
                f"groups={groups!r} is neither the path of a .csv file nor a regular "
                f"expression ({error})."
            ) from None
    if isinstance(groups, re.Pattern):
        found = [_search(groups, name) for name in ids]
        source = f"The pattern {groups.pattern!r}"
    elif isinstance(groups, Mapping):
        found = [groups.get(name) for name in ids]
        source = "The mapping of groups"
    elif callable(groups):
        found = [groups(name) for name in ids]
        source = "The function given as groups"
    elif isinstance(groups, str | os.PathLike):
        table = _read_table(Path(groups))
        found = [table.get(name) for name in ids]
        source = f"The table {groups}"
    else:
        raise DataError(
            "groups must be a mapping, a function, a regular expression or the path of "
            f"a .csv file, not {type(groups).__name__}."
        )
    missing = [
        name
        for name, group in zip(ids, found, strict=True)
        if group is None or group == "" or group != group
    ]
    if missing:
        raise DataError(
            f"{source} gives no group for {len(missing)} of {len(ids)} samples: "
            f"{first_of(missing)}. Give each a group; its own id where it stands alone."
        )
    return [str(group) for group in found]


def first_of(names: Sequence[str], count: int = 10) -> str:
    """The first names of a list, and how many follow."""
    shown = ", ".join(map(str, names[:count]))
    return shown + (f" and {len(names) - count} more" if len(names) > count else "")


def _search(pattern: re.Pattern, name: str) -> str | None:
    match = pattern.search(name)
    if match is None:
        return None
    return match[1] if pattern.groups else match[0]


def _read_table(path: Path) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for column in ("id", "group"):
                if column not in (reader.fieldnames or ()):
                    raise DataError(
                        f"{path} has no column {column!r}; a table of groups has the "
                        "columns id and group. "
                        + nearest(column, reader.fieldnames or ())
                    )
            return {row["id"]: row["group"] for row in reader}
    except FileNotFoundError:
        raise DataError(f"There is no table of groups {path}.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"Cannot read the table of groups {path} ({error}); it must be a UTF-8 "
            "CSV file with the columns id and group."
        ) from None
