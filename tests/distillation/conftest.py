"""Fixtures of the Distiller's tests."""

import numpy as np
import pytest
from PIL import Image

from kerakd.data import load_images
from tests.distillation.tiny import make_model


@pytest.fixture
def teacher():
    return make_model(8, seed=1, name="teacher")


@pytest.fixture
def student():
    return make_model(4, seed=2, name="student")


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for split, count in (("Training", 9), ("Testing", 2)):
        for label in ("a", "b", "c"):
            (folder / split / label).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (20, 20), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / label / f"{i}.png")
    return load_images(folder).subset("train")
