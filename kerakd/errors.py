"""Errors that a person can act on: what was expected, what came, what to do.

The command line prints their text alone and exits with 2; anything else is a fault of
kerakd and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class KerakdError(ValueError):
    """Base of all errors that a user can mend."""


class DataError(KerakdError):
    """A folder, image, volume, table or split that cannot be used."""


class ModelError(KerakdError):
    """A model, layer, loss or weights file that cannot be used."""


class RecipeError(KerakdError):
    """A recipe, option or argument that cannot be used."""


def nearest(name: str, valid: Iterable[str], count: int = 3) -> str:
    """A clause for an error: the valid names nearest to `name`, or all of them.

    Args:
        name: What the user wrote.
        valid: The names that would have been accepted.
        count: How many suggestions at most.

    Returns:
        A sentence such as `"Did you mean 'resnet50'?"`.
    """
    valid = sorted(map(str, valid))
    close = difflib.get_close_matches(str(name), valid, n=count, cutoff=0.6)
    if close:
        return "Did you mean " + " or ".join(repr(n) for n in close) + "?"
    return "Known: " + ", ".join(valid) + "."
