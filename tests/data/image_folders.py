"""Small folders of images, as a test needs them."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from kerakd.data import load_images
from kerakd.data.samples import COLUMNS, Samples


def write_image(path: Path, mode: str = "L", size: tuple[int, int] = (10, 12)) -> Path:
    """Write an image whose pixels depend on its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(list(path.name.encode()))
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}[mode]
    pixels = random.integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    Image.fromarray(pixels, mode=mode).save(path)
    return path


def write_tree(root: Path, counts: dict[str, int], suffix: str = ".png") -> Path:
    """Write `{"Training/glioma": 3}`: folders of so many images."""
    for folder, number in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(number):
            write_image(root / folder / f"{folder.replace('/', '-')}_{i}{suffix}")
    return root


@functools.cache
def load_real_mri(real_data: Path) -> Samples:
    """The real MRI folder, read once for all tests."""
    return load_images(real_data / "brain-tumor-mri")


def make_samples(rows: list[tuple[str, str, str]], split: str = "") -> Samples:
    """A table without files from `(id, label, group)`."""
    table = pd.DataFrame(
        [(i, i, label, group, split, 10, 12, "L") for i, label, group in rows],
        columns=list(COLUMNS),
    )
    return Samples(table, Path(), tuple(sorted({label for _, label, _ in rows})))
