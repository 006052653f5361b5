"""The page of a cache, `cache.json`: readable without TensorFlow."""

import os
from pathlib import Path

from kerakd.errors import DataError
from kerakd.files import read_json

INFO = "cache.json"


def read_info(path: str | os.PathLike) -> dict:
    """What a cache says of itself.

    Args:
        path: Its folder.

    Raises:
        DataError: There is no cache, or its page is damaged.
    """
    path = Path(path)
    if not (path / INFO).is_file():
        raise DataError(
            f"There is no teacher cache in {path} (no {INFO}); build one with `kerakd "
            "cache build`, or TeacherCache.build."
        )
    info = read_json(path / INFO)
    if not isinstance(info, dict) or "key" not in info:
        raise DataError(
            f"The teacher cache {path} is damaged: {INFO} is not a cache's; delete "
            "the folder and build it anew."
        )
    return info


def views_of(path: str | os.PathLike) -> int:
    """How many views of each picture a cache holds."""
    info = read_info(path)
    if not isinstance(info.get("views"), int):
        raise DataError(
            f"The teacher cache {path} is damaged: {INFO} lacks 'views'; delete the "
            "folder and build it anew."
        )
    return info["views"]
