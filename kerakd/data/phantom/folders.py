"""Phantom folders: written whole or not at all, and recognised when asked again."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kerakd.errors import DataError
from kerakd.files import explain_os_error, make_folder, write_json

DESCRIPTION = "phantom.json"


@dataclass
class NewFolder:
    """A folder being written under a temporary name.

    Attributes:
        path: Where to write.
        request: What was asked for.
    """

    path: Path
    request: dict

    def finish(self, contents: dict, files: int) -> None:
        """Describe what was written; without this the folder is thrown away.

        Args:
            contents: What the description holds beside the request.
            files: Number of files written.
        """
        described = {"request": self.request, "files": files, **contents}
        write_json(self.path / DESCRIPTION, described)


@contextmanager
def complete_or_new(
    folder: str | os.PathLike, request: dict
) -> Iterator[NewFolder | None]:
    """Yield `None` if a folder holds what is asked for, else one to write into.

    Args:
        folder: The folder.
        request: The parameters that decide its contents; values of JSON.

    Yields:
        `None`, or a new folder that takes the name `folder` if all went well.

    Raises:
        DataError: The folder holds something else.
        KerakdError: It cannot be written.
    """
    folder = Path(folder)
    if _holds(folder, request):
        yield None
        return
    make_folder(folder.parent)
    temporary = None
    try:
        name = tempfile.mkdtemp(prefix=".partial-", dir=folder.parent)
        temporary = Path(name)
        temporary.chmod(0o755)
        yield NewFolder(temporary, request)
        if folder.is_dir():
            folder.rmdir()
        temporary.rename(folder)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _holds(folder: Path, request: dict) -> bool:
    """Whether a folder holds this very phantom; refuse one that holds another thing."""
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise DataError(
            f"Cannot write a phantom to {folder}: a file of that name is in the way; "
            "choose another folder."
        )
    described = folder / DESCRIPTION
    if not described.is_file():
        if any(folder.iterdir()):
            raise DataError(
                f"{folder} holds files that are no phantom; choose an empty folder or "
                "a new one."
            )
        return False
    try:
        found = json.loads(described.read_text(encoding="utf-8"))
        before, files = found["request"], found["files"]
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"{described} cannot be read; remove {folder} to have it written anew."
        ) from None
    differing = {
        key: (before.get(key), value)
        for key, value in request.items()
        if before.get(key) != value
    }
    if differing:
        told = ", ".join(
            f"{k} {was!r} not {now!r}" for k, (was, now) in differing.items()
        )
        raise DataError(
            f"{folder} holds another phantom ({told}); choose another folder, or "
            "remove it to have it written anew."
        )
    there = sum(
        path.suffix in (".png", ".gz") and path.is_file() for path in folder.rglob("*")
    )
    if there < files:
        raise DataError(
            f"{folder} holds {there} of the {files} files of its phantom; remove it to "
            "have it written anew."
        )
    return True
