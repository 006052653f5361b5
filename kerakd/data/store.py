"""Decoded images, one 8-bit array per size: in memory, or in a mapped file on disk."""

import hashlib
import math
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import PIL

from kerakd.data.decode import decode, resize
from kerakd.data.samples import Samples
from kerakd.errors import DataError
from kerakd.files import replacing

Shape = tuple[int, int, int]

# Decoded images that may wait for the disk at one time.
_CHUNK = 256
# From here on decoding takes more than a few seconds.
_MANY = 1000
# Changes when the pixels that `decode` and `resize` give change.
_VERSION = 1


def open_store(
    samples: Samples,
    shapes: Sequence[Shape],
    memory_budget: int = 2 * 2**30,
    cache_dir: str | os.PathLike | None = None,
) -> dict[Shape, np.ndarray]:
    """Decode all images once, at every size asked for.

    Arrays that fit the budget together are held in memory. Otherwise each becomes a
    file in `cache_dir`, mapped into memory and used again by later runs as long as the
    ids, sizes and times of change of the image files are the same.

    Args:
        samples: The images.
        shapes: The `(height, width, channels)` to hold.
        memory_budget: Bytes that all arrays together may take in memory.
        cache_dir: The folder for files; by default `kerakd/images` in the user's cache
            folder.

    Returns:
        A uint8 array of shape `(len(samples), height, width, channels)` by shape, in
        table order. Its memory begins at a multiple of 64 bytes, which TensorFlow
        needs in order to use it without a copy.

    Raises:
        DataError: A file cannot be decoded (it is named), or changes under our hands.
        KerakdError: The cache cannot be written (the folder is named).
    """
    shapes = list(dict.fromkeys(shapes))
    total = sum(len(samples) * math.prod(shape) for shape in shapes)
    if total <= memory_budget:
        return _in_memory(samples, shapes)
    return _on_disk(samples, shapes, Path(cache_dir or _default_folder()))


def _default_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kerakd" / "images"


def _in_memory(samples: Samples, shapes: list[Shape]) -> dict[Shape, np.ndarray]:
    arrays = {}
    for shape in shapes:
        # Whole pages, so aligned; and handed back to the system when let go.
        pages = mmap.mmap(-1, len(samples) * math.prod(shape))
        arrays[shape] = np.frombuffer(pages, np.uint8).reshape(-1, *shape)
    for row, pictures in enumerate(_decoded(samples, shapes)):
        for shape, picture in pictures.items():
            arrays[shape][row] = picture
    return arrays


def _on_disk(
    samples: Samples, shapes: list[Shape], folder: Path
) -> dict[Shape, np.ndarray]:
    stamp = _stamp(samples)
    files = {shape: _file_name(folder, samples, shape, stamp) for shape in shapes}
    arrays = {shape: _mapped(file, samples, shape) for shape, file in files.items()}
    missing = [shape for shape, array in arrays.items() if array is None]
    if missing:
        _write(samples, {shape: files[shape] for shape in missing})
        if _stamp(samples) != stamp:
            for shape in missing:
                files[shape].unlink()
            raise DataError(
                f"Image files below {samples.root} were changed while they were read; "
                "run it again when they are complete."
            )
    for shape in missing:
        arrays[shape] = _mapped(files[shape], samples, shape)
        _remove_stale(files[shape])
    return arrays


def _file_name(folder: Path, samples: Samples, shape: Shape, stamp: str) -> Path:
    """`<size>-<which images>-<their state>.npy`."""
    which = _digest([str(samples.root.absolute()), *samples.ids])
    size = "x".join(map(str, shape))
    return folder / f"{size}-{which}-{stamp}.npy"


def _stamp(samples: Samples) -> str:
    """The state of all image files, and of what decodes them."""
    parts = [f"{_VERSION} {PIL.__version__}"]
    for path in samples.paths:
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror}.") from error
        parts.append(f"{status.st_size} {status.st_mtime_ns}")
    return _digest(parts)


def _digest(parts: Sequence[str]) -> str:
    text = "\n".join(parts).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _mapped(file: Path, samples: Samples, shape: Shape) -> np.ndarray | None:
    """The array of a cache file; None where there is none that can be used."""
    try:
        # Copy-on-write, for TensorFlow takes no array that is marked read-only.
        array = np.load(file, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError):
        return None
    expected = (len(samples), *shape)
    return array if array.shape == expected and array.dtype == np.uint8 else None


def _write(samples: Samples, files: dict[Shape, Path]) -> None:
    """Write several arrays image by image; none takes its name before all are done."""
    with ExitStack() as stack:
        writers = {}
        for shape, file in files.items():
            temporary = stack.enter_context(replacing(file))
            # Written as a stream: on a full disk that is an error, whereas a store
            # into a mapped page would kill the process.
            writers[shape] = stack.enter_context(open(temporary, "wb"))
            header = {"descr": "|u1", "fortran_order": False}
            header["shape"] = (len(samples), *shape)
            np.lib.format.write_array_header_1_0(writers[shape], header)
        for pictures in _decoded(samples, list(files)):
            for shape, picture in pictures.items():
                writers[shape].write(picture.tobytes())


def _remove_stale(file: Path) -> None:
    """Remove the files of the same images in an earlier state."""
    images = file.name.rpartition("-")[0]
    for other in file.parent.glob(f"{images}-*.npy"):
        if other != file:
            other.unlink(missing_ok=True)


def _decoded(
    samples: Samples, shapes: list[Shape]
) -> Iterator[dict[Shape, np.ndarray]]:
    """Each image at every shape, in table order, decoded by all cores."""

    def at_every_shape(path: Path) -> dict[Shape, np.ndarray]:
        sources = {channels: decode(path, channels) for *_, channels in shapes}
        return {shape: resize(sources[shape[2]], shape[:2]) for shape in shapes}

    paths = samples.paths
    with ThreadPoolExecutor(os.cpu_count()) as pool, _progress(len(paths)) as advance:
        for start in range(0, len(paths), _CHUNK):
            for pictures in pool.map(at_every_shape, paths[start : start + _CHUNK]):
                yield pictures
                advance()


@contextmanager
def _progress(count: int) -> Iterator[Callable[[], None]]:
    """A bar for a person who waits, and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    shown = console.is_terminal and count >= _MANY
    with Progress(console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task("Decoding images", total=count)
        yield lambda: bar.advance(task)
