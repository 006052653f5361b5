"""What a person sees when something goes wrong: a sentence, and an exit code.

- 2: something that the user can mend; one sentence on standard error, no traceback.
- 130: interrupted by Ctrl-C.

Anything else is a fault of kerakd and keeps its traceback.
"""

import errno
import sys

import typer
from typer.core import TyperGroup

from kerakd.cli.interrupt import insisting
from kerakd.errors import KerakdError

_FULL = "the disk is full; free some space or choose another folder"
_DENIED = "no permission; choose another folder, or change its permissions"
_REASONS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOTDIR: "a part of that path is a file, not a folder",
    errno.ENOMEM: "there is not enough memory",
}

# What to say after Ctrl-C; a command that can be resumed sets it.
resume_hint: list[str] = []
# What kerakd was called with.
arguments: list[str] = []


class SentenceGroup(TyperGroup):
    """Commands whose errors are sentences, listed under the panels they name."""

    def format_commands(self, ctx, formatter):
        panels = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            panel = getattr(command, "rich_help_panel", None)
            title = panel if isinstance(panel, str) else "Commands"
            panels.setdefault(title, []).append((name, command.get_short_help_str(70)))
        width = max(len(name) for rows in panels.values() for name, _ in rows)
        for title, rows in panels.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in rows])

    def main(self, args=None, **options):
        arguments[:] = sys.argv[1:] if args is None else args
        return super().main(args=args, **options)

    def invoke(self, ctx):
        resume_hint.clear()
        try:
            with insisting():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            _say("Interrupted.", *resume_hint)
            raise typer.Exit(130) from None
        except Exception as error:
            sentence = as_sentence(error)
            if sentence is None:
                raise
            _say(f"error: {sentence}")
            raise typer.Exit(2) from None


def as_sentence(error: Exception) -> str | None:
    """What a user can do about an error; None for a fault of kerakd."""
    if isinstance(error, KerakdError):
        return str(error)
    if isinstance(error, OSError):
        reason = _REASONS.get(error.errno)
        # HDF5 and TensorFlow hide the number in their text.
        if reason is None and _tells_of_full_disk(error):
            reason = _FULL
        if reason is not None:
            where = f"Cannot use {error.filename}: " if error.filename else ""
            return f"{where}{reason}."
    if isinstance(error, MemoryError):
        return (
            "There is not enough memory; lower `batch_size` or "
            "`data.memory_gigabytes` in the recipe."
        )
    # TensorFlow's errors, known by name so that it need not be loaded.
    if type(error).__name__ == "ResourceExhaustedError" and _tells_of_full_disk(error):
        return f"Cannot write: {_FULL}."
    return None


def _tells_of_full_disk(error: Exception) -> bool:
    return "No space left on device" in str(error)


def _say(*lines: str) -> None:
    sys.stdout.flush()
    print(*lines, sep="\n", file=sys.stderr)
