"""Where a data set lies: a folder, a name below the data folder, or Kaggle."""

import os
import re
from pathlib import Path

from kerakd.data.layouts import EXPECTED_TREE, holds_layout, visible_folders
from kerakd.errors import DataError, nearest

DATA_VARIABLE = "KERAKD_DATA"
_KAGGLE = "kaggle:"
_HANDLE = re.compile(r"([\w.-]+)/([\w.-]+)(?:/versions/([1-9]\d*))?")


def resolve(
    source: str | os.PathLike | None,
    data: str | os.PathLike | None = None,
    expected: str = EXPECTED_TREE,
) -> Path:
    """The folder of a data set.

    Args:
        source: What a recipe names. One of

            - a name, such as `"brain-tumor-mri"`: that folder below `data`; or `data`
              itself, where it has that name or holds split or class folders;
            - a path, absolute or from the working directory;
            - `"kaggle:OWNER/SLUG/versions/N"`: the folder SLUG below `data` if there is
              one, or `data` itself if it was given here; else it is downloaded by
              kagglehub, once;
            - None: `data` itself.
        data: The folder of data sets, or of this one (`--data`). By default that of the
            environment variable `KERAKD_DATA`.
        expected: How the files of a data set may lie, for the errors; by default the
            layouts of classified images.

    Returns:
        An existing folder.

    Raises:
        DataError: There is no such folder, or Kaggle cannot be reached and the data set
            is not in kagglehub's cache.

    Example:

    ```python
    folder = kerakd.data.resolve(
        "kaggle:masoudnickparvar/brain-tumor-mri-dataset/versions/1"
    )
    samples = kerakd.data.load_images(folder)
    ```
    """
    given = data is not None
    if not given:
        data = os.environ.get(DATA_VARIABLE) or None
    if data is not None:
        data = Path(data).expanduser()
        if not data.is_dir():
            where = "--data" if given else f"The variable {DATA_VARIABLE}"
            raise DataError(f"{where} names {data}, which is no folder.")
    if source is None or str(source) == "":
        if data is None:
            raise DataError(
                "No data set was named; give its folder with --data, or set the "
                f"environment variable {DATA_VARIABLE}.\n{expected}"
            )
        return data
    if isinstance(source, str) and source.startswith(_KAGGLE):
        return _kaggle(source, data, given, expected)
    return _folder(Path(source).expanduser(), data, expected)


def _folder(source: Path, data: Path | None, expected: str) -> Path:
    if data is not None and not source.is_absolute() and (data / source).is_dir():
        return data / source
    if source.is_dir():
        return source
    if source.exists():
        raise DataError(f"{source} is a file; the folder of a data set was expected.")
    # An absolute path is looked for where it says, and nowhere else.
    if data is None or source.is_absolute():
        raise DataError(
            f"There is no folder {source}; give the data set, or the folder that holds "
            f"it, with --data, or set the environment variable {DATA_VARIABLE}.\n"
            f"{expected}"
        )
    if data.name == source.name or holds_layout(data):
        return data
    names = [folder.name for folder in visible_folders(data)]
    hint = " " + nearest(source.name, names) if names else ""
    raise DataError(
        f"There is no folder {source} in {data}, and {data} is no data set itself."
        f"{hint} Name the data set, or the folder that holds it, with --data.\n"
        f"{expected}"
    )


def _kaggle(source: str, data: Path | None, given: bool, expected: str) -> Path:
    handle = source.removeprefix(_KAGGLE)
    match = _HANDLE.fullmatch(handle)
    if match is None:
        raise DataError(
            f"{source!r} is no Kaggle data set; write kaggle:OWNER/SLUG/versions/N, as "
            "in kaggle:masoudnickparvar/brain-tumor-mri-dataset/versions/1."
        )
    owner, slug, version = match.groups()
    if data is not None and (data / slug).is_dir():
        return data / slug
    if given:
        return data
    if version is None:
        # kagglehub asks Kaggle for the newest version, even for data in its cache: that
        # fails offline, and would be other data one day.
        raise DataError(
            f"{source!r} names no version; write {source}/versions/N (the number is on "
            f"www.kaggle.com/datasets/{owner}/{slug})."
        )
    return _download(handle, owner, slug, expected)


def _download(handle: str, owner: str, slug: str, expected: str) -> Path:
    import kagglehub
    import requests
    from kagglehub.exceptions import (
        BackendError,
        CredentialError,
        DataCorruptionError,
        NotFoundError,
        UnauthenticatedError,
    )

    try:
        return Path(kagglehub.dataset_download(handle))
    except (
        OSError,  # those of requests, too: no network, time-outs, HTTP errors
        ValueError,
        BackendError,
        CredentialError,
        DataCorruptionError,
        NotFoundError,
        UnauthenticatedError,
    ) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if isinstance(error, requests.ConnectionError | requests.Timeout):
            reason = "Kaggle cannot be reached"
        raise DataError(
            f"Cannot get the Kaggle data set {handle} ({reason}), and it is not in "
            "kagglehub's cache. Download it from "
            f"www.kaggle.com/datasets/{owner}/{slug}, unpack it, and give its folder "
            f"with --data FOLDER.\n{expected}"
        ) from error
