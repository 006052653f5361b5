"""One pass over the image files: what identifies and describes each of them."""

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from kerakd.data.decode import ImageError, open_image, to_8_bit

# Sides, in pixels, of the thumbnails that the index compares.
THUMB = 32
STATISTICS = (
    "mean",
    "standard deviation",
    "5th percentile",
    "25th percentile",
    "median",
    "75th percentile",
    "95th percentile",
    "99th percentile",
    "share of black (below 8)",
    "share of white (above 247)",
)
FACTS = ("bytes", "format", "mode", "width", "height", "encoding", "frames", "turned")
_CHUNK = 512
_MANY = 500
_BLACK, _WHITE = 8, 247


@dataclass(frozen=True)
class Marks:
    """What is known about n images after one look at each.

    Args:
        pixels: Hash of the decoded RGB pixels and their size, shape `(n,)`, text.
        thumbs: Grey, squeezed to a square, uint8 `(n, 32, 32)`.
        statistics: `STATISTICS` of the grey pixels, float32 `(n, 10)`.
        facts: A row per image with the columns `FACTS`; `encoding` tells JPEG
            quantisation tables and subsampling apart.
        bad: `(position, reason)` of the images that could not be read; their rows are
            empty.
    """

    pixels: np.ndarray
    thumbs: np.ndarray
    statistics: np.ndarray
    facts: pd.DataFrame
    bad: list[tuple[int, str]]


def look_at_all(paths: list[Path], progress: bool | None = None) -> Marks:
    """Read every file once, on all cores.

    Args:
        paths: The image files.
        progress: Whether to show a bar; by default for many files on a terminal.
    """
    count = len(paths)
    pixels = np.zeros(count, dtype="U32")
    thumbs = np.zeros((count, THUMB, THUMB), np.uint8)
    statistics = np.zeros((count, len(STATISTICS)), np.float32)
    facts, bad = [], []
    looks = each(_look, paths, "Reading images", progress)
    for row, (look, reason) in enumerate(looks):
        if look is None:
            bad.append((row, reason))
            facts.append(dict.fromkeys(FACTS))
            continue
        pixels[row], thumbs[row], statistics[row], found = look
        facts.append(found)
    table = pd.DataFrame(facts, columns=list(FACTS))
    return Marks(pixels, thumbs, statistics, table, bad)


def each(
    function: Callable, items: Iterable, title: str, progress: bool | None = None
) -> Iterator:
    """`map` on all cores, in order, with a bar; few results wait at one time."""
    items = list(items)
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        bar(title, len(items), progress) as advance,
    ):
        for start in range(0, len(items), _CHUNK):
            for result in pool.map(function, items[start : start + _CHUNK]):
                yield result
                advance(1)


@contextmanager
def bar(
    title: str, count: int, progress: bool | None = None
) -> Iterator[Callable[[int], None]]:
    """A bar for a person who waits, and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if progress is None:
        progress = console.is_terminal and count > _MANY
    with Progress(
        console=console, transient=console.is_terminal, disable=not progress
    ) as shown:
        task = shown.add_task(title, total=count)
        yield lambda number: shown.advance(task, number)


def grey(path: Path, side: int) -> np.ndarray:
    """The picture as grey, squeezed to a square, uint8 `(side, side)`."""
    return _square(to_8_bit(open_image(path), "L", path), side)


def _square(image: Image.Image, side: int) -> np.ndarray:
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))


def _look(path: Path) -> tuple[tuple | None, str]:
    try:
        facts = _facts(path)
        image = open_image(path)
        colour = to_8_bit(image, "RGB", path)
        dark = to_8_bit(image, "L", path)
    except ImageError as error:
        return None, error.reason
    digest = hashlib.blake2b(colour.tobytes(), digest_size=16)
    digest.update(f"{colour.width}x{colour.height}".encode())
    facts |= {"mode": image.mode, "width": image.width, "height": image.height}
    return (digest.hexdigest(), _square(dark, THUMB), _statistics(dark), facts), ""


def _statistics(image: Image.Image) -> np.ndarray:
    # From the histogram: the same numbers as from all pixels, and faster.
    counts = np.asarray(image.histogram(), np.float64)
    share = counts / counts.sum()
    levels = np.arange(256)
    mean = share @ levels
    deviation = np.sqrt(share @ (levels - mean) ** 2)
    cumulated = np.cumsum(share)
    ranks = np.searchsorted(cumulated, (0.05, 0.25, 0.5, 0.75, 0.95, 0.99))
    black, white = share[:_BLACK].sum(), share[_WHITE + 1 :].sum()
    return np.array([mean, deviation, *ranks, black, white], np.float32)


def _facts(path: Path) -> dict:
    """What the file's header says, before any pixel is decoded."""
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            return {
                "bytes": len(content),
                "format": image.format,
                "encoding": _encoding(image),
                "frames": getattr(image, "n_frames", 1),
                "turned": image.getexif().get(0x0112, 1) != 1,
            }
    except Exception as error:
        # `open_image` gives the same fault its words.
        open_image(path)
        raise ImageError(path, str(error)) from error


def _encoding(image: Image.Image) -> str:
    """How the file was compressed, as a short mark of the program that wrote it."""
    if image.format != "JPEG":
        return str(image.info.get("compression", "") or "")
    tables = sorted((k, tuple(v)) for k, v in image.quantization.items())
    mark = hashlib.blake2b(repr(tables).encode(), digest_size=3).hexdigest()
    sampling = "x".join(
        str(number) for part in getattr(image, "layer", ()) for number in part[1:3]
    )
    kind = "progressive" if image.info.get("progressive") else "baseline"
    return f"{kind} {sampling} tables {mark}"
