"""Keep the chatter of native libraries away from the user's terminal."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide what C++ and absl write to standard error, for the time of the block.

    The converter and the interpreter log from C++ straight to file descriptor 2, past
    `sys.stderr`, `logging` and `warnings`. Failures are not lost: they arrive as
    exceptions that carry their text.
    """
    absl = logging.getLogger("absl")
    level = absl.level
    absl.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), _no_descriptor_2():
            warnings.simplefilter("ignore")
            yield
    finally:
        absl.setLevel(level)


@contextlib.contextmanager
def _no_descriptor_2() -> Iterator[None]:
    """Point file descriptor 2 at the null device."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # a service without standard error has nothing to hide
        yield
        return
    try:
        with open(os.devnull, "w") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
