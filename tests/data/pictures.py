"""Small tables of real image files, for tests of store and pipeline."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from kerakd.data.samples import Samples


def make_samples(folder: Path, count: int = 7, size=(20, 16), mode="RGB") -> Samples:
    """`count` PNG files of noise in three classes; `size` is (height, width)."""
    random = np.random.default_rng(3)
    shape = size if mode == "L" else (*size, 3)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        # Table order is not the order of the sorted ids.
        name = f"{(number * 5) % count:02d}.png"
        Image.fromarray(random.integers(0, 256, shape, np.uint8)).save(folder / name)
        row = {"id": name, "path": name, "label": "abc"[number % 3], "group": name}
        row.update(split="train", width=size[1], height=size[0], mode=mode)
        rows.append(row)
    return Samples(pd.DataFrame(rows), folder, ("a", "b", "c"))


def smooth(height: int, width: int, channels: int = 3) -> np.ndarray:
    """A smooth picture without symmetry, uint8; the same scene at any size."""
    y = (np.arange(height) + 0.5)[:, None] / height
    x = (np.arange(width) + 0.5)[None] / width
    scene = 120 + 60 * np.sin(5 * x + 1) + 60 * np.cos(4 * y + 3 * x)
    scenes = [scene, 255 - scene, scene[::-1] * 0.8][:channels]
    return np.stack(scenes, axis=-1).clip(0, 255).astype(np.uint8)
