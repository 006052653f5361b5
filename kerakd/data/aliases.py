"""One class, several spellings: `no_tumor`, `notumor`, `no` ..."""

from collections.abc import Iterable, Mapping

from kerakd.errors import DataError, nearest

# The classes of the brain-tumour collections on Kaggle, and how they are also written.
# Upper case, spaces, hyphens and underscores make no difference.
BRAIN_TUMOUR_ALIASES = {
    "glioma": ("glioma tumor", "glioma tumour", "gliomas"),
    "meningioma": ("meningioma tumor", "meningioma tumour", "meningiomas"),
    "pituitary": ("pituitary tumor", "pituitary tumour", "pituitary adenoma"),
    "notumor": ("no tumor", "no tumour", "no"),
}


def fold(name: str) -> str:
    """A class name without case, spaces, hyphens and underscores."""
    return "".join(c for c in name.casefold() if c not in " -_")


_CANONICAL = {
    fold(spelling): name
    for name, spellings in BRAIN_TUMOUR_ALIASES.items()
    for spelling in (name, *spellings)
}


def rename(
    names: Iterable[str],
    aliases: bool | Mapping[str, str],
    reference: Iterable[str] = (),
) -> dict[str, str]:
    """Which class each folder name stands for.

    Args:
        names: The folder names as they are.
        aliases: False keeps every name. True brings the brain-tumour names to one
            spelling (`BRAIN_TUMOUR_ALIASES`), and every other name to the spelling
            that it has in `reference`, if it differs from that in case, spaces, hyphens
            or underscores only. A mapping `{folder name: class name}` renames just what
            it lists.
        reference: Names whose spelling wins: those of the training split.

    Returns:
        `{folder name: class name}` for all of `names`.

    Raises:
        DataError: A key of the mapping is no folder name.
    """
    names = sorted(set(names))
    if isinstance(aliases, Mapping):
        for key in aliases:
            if key not in names:
                raise DataError(
                    f"aliases names {key!r}, but there is no such class folder. "
                    + nearest(key, names)
                )
        return {name: str(aliases.get(name, name)) for name in names}
    if not aliases:
        return {name: name for name in names}
    spelling = {fold(name): name for name in sorted(reference, reverse=True)}
    spelling |= _CANONICAL
    return {name: spelling.get(fold(name), name) for name in names}
