"""Writing files whole or not at all, and reading what is not trusted."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerakd.errors import KerakdError

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EACCES: "no permission to write there; choose another folder",
    errno.EPERM: "no permission to write there; choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOTDIR: "a part of that path is a file, not a folder; choose another folder",
}


def explain_os_error(error: OSError, path: str | os.PathLike) -> KerakdError:
    """Turn an operating-system error on `path` into a sentence with a remedy."""
    remedy = _REMEDIES.get(
        error.errno, f"{error.strerror or error}; choose another folder"
    )
    return KerakdError(f"Cannot write {path}: {remedy}.")


def make_folder(path: str | os.PathLike) -> Path:
    """Create a folder and its parents, or say in one sentence why that fails."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise KerakdError(
            f"Cannot write {path}: a file of that name is in the way; "
            "choose another folder."
        ) from None
    except OSError as error:
        raise explain_os_error(error, path) from error
    return path


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes that name only on success.

    The temporary name keeps the suffixes of `path`, since Keras and Matplotlib
    choose a format by them. On any error it is removed and `path` is as it was.

    Args:
        path: The file to write.

    Yields:
        The path to write to.

    Raises:
        KerakdError: The disk is full, read-only or not writable.
    """
    path = Path(path)
    make_folder(path.parent)
    temporary = _beside(path)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in _REMEDIES:
            raise explain_os_error(error, path) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """An empty file beside `path`. Whatever hinders this is about the place."""
    try:
        handle, name = tempfile.mkstemp(
            prefix=".partial-", suffix="-" + path.name, dir=path.parent
        )
        os.close(handle)
        Path(name).chmod(0o644)
    except OSError as error:
        raise explain_os_error(error, path) from error
    return Path(name)


def write_text(path: str | os.PathLike, text: str) -> Path:
    """Write a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def write_json(path: str | os.PathLike, value: Any) -> Path:
    """Write a JSON file (indented, keys in the order given) whole or not at all."""
    return write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file, with an error that names it.

    Raises:
        KerakdError: The file is absent or is no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise KerakdError(f"There is no file {path}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise KerakdError(
            f"{path} is not valid JSON ({error}); "
            "write it anew with the command that made it."
        ) from None


def sha256_of(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
