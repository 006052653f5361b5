"""What an exported file tells about itself, as a zip appended to the flatbuffer.

A LiteRT reader takes a flatbuffer from its front and never looks behind its end; a zip
is read from its end. So one file is both: every LiteRT runtime loads it, and `unzip`
or Android's `MetadataExtractor` finds `labels.txt` in it.
"""

import hashlib
import io
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

from kerakd.errors import ModelError

ENTRY = "kerakd.json"
LABELS = "labels.txt"
_EXPORT_AGAIN = "copy or export the file again"
# The converter's description of a model, and ours of the same length in its place: a
# file that is cut off right behind its flatbuffer still says that something follows.
_CONVERTED = b"MLIR Converted."
_MARKED = b"kerakd metadata"
# Every entry carries the day where zip's calendar begins: equal exports, equal bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


def append_metadata(flatbuffer: bytes, metadata: dict[str, Any]) -> bytes:
    """Join a flatbuffer and what is to be known about it into one file's content.

    Args:
        flatbuffer: What the converter returned.
        metadata: JSON-able. `class_names`, where present, also become `labels.txt`.
            The size and SHA-256 of the flatbuffer are added as `flatbuffer`.

    Returns:
        The content of a `.tflite` file.
    """
    if flatbuffer.count(_CONVERTED) == 1:
        flatbuffer = flatbuffer.replace(_CONVERTED, _MARKED)
    metadata = dict(metadata)
    metadata["flatbuffer"] = {
        "bytes": len(flatbuffer),
        "sha256": hashlib.sha256(flatbuffer).hexdigest(),
    }
    # kerakd.json comes first: its name is what a file cut off later still shows.
    entries = {ENTRY: json.dumps(metadata, indent=2, allow_nan=False) + "\n"}
    if metadata.get("class_names"):
        entries[LABELS] = "\n".join(metadata["class_names"]) + "\n"
    content = io.BytesIO(flatbuffer)
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, text)
    return content.getvalue()


def read_metadata(path: str | os.PathLike) -> dict[str, Any]:
    """What a `.tflite` file tells about itself.

    Args:
        path: A file made by `kerakd.compress.quantize`, or any other `.tflite`.

    Returns:
        The metadata as exported. Of a file that kerakd did not make, `class_names` if
        it carries a `labels.txt`, else nothing.

    Raises:
        ModelError: The file is absent, no LiteRT model, or not whole.

    Example:

    ```python
    kerakd.compress.read_metadata("run/student_float32.tflite")["class_names"]
    ```
    """
    return parse_metadata(read_content(path), str(path))


def read_content(path: str | os.PathLike) -> bytes:
    """The bytes of a model file, or one sentence on why there are none."""
    path = Path(path)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"There is no model file {path}.") from None
    except IsADirectoryError:
        raise ModelError(f"{path} is a folder; name a .tflite file.") from None
    except OSError as error:
        raise ModelError(
            f"Cannot read {path}: {error.strerror or error}; check its permissions."
        ) from None


def parse_metadata(content: bytes, name: str) -> dict[str, Any]:
    """`read_metadata` of a content already in memory; `name` is for the errors."""
    if not content:
        raise ModelError(f"{name} is empty; {_EXPORT_AGAIN}.")
    if content[4:8] != b"TFL3":
        raise ModelError(
            f"{name} is no LiteRT (TensorFlow Lite) model: the identifier TFL3 is not "
            "at its 5th byte; give a .tflite file."
        )
    entries = _entries(content, name)
    if ENTRY not in entries:
        if _MARKED in content:
            raise ModelError(
                f"{name} is damaged: its metadata is cut off; {_EXPORT_AGAIN}."
            )
        labels = entries.get(LABELS, b"").decode("utf-8", errors="replace").split("\n")
        class_names = [line.strip() for line in labels if line.strip()]
        return {"class_names": class_names} if class_names else {}
    try:
        metadata = json.loads(entries[ENTRY])
        size = int(metadata["flatbuffer"]["bytes"])
        digest = metadata["flatbuffer"]["sha256"]
    except (ValueError, TypeError, KeyError):
        raise ModelError(
            f"{name} is damaged: its {ENTRY} cannot be read; {_EXPORT_AGAIN}."
        ) from None
    if hashlib.sha256(memoryview(content)[:size]).hexdigest() != digest:
        raise ModelError(
            f"{name} is damaged: its bytes are not those that were exported (SHA-256 "
            f"differs); {_EXPORT_AGAIN}."
        )
    return metadata


def _entries(content: bytes, name: str) -> dict[str, bytes]:
    """The entries of the appended zip that are of use here; none without a zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            present = set(archive.namelist())
            return {key: archive.read(key) for key in (ENTRY, LABELS) if key in present}
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        RuntimeError,
        ValueError,
    ):
        # No zip at all, weights that look like the end of one, or ours, damaged.
        if ENTRY.encode() in content:
            raise ModelError(
                f"{name} is damaged: its metadata is cut off or altered; "
                f"{_EXPORT_AGAIN}."
            ) from None
        return {}
