"""What the examples take for granted: names, folders and files, all of them real.

An example may say `student` or `"brain-tumor-mri"` without making it first. Each name
is made when an example first needs it, as small as can be: phantoms of 64 pixels and
networks of a few thousand weights, with layers of the names that examples ask for.
"""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import kerakd

NAMES = ("glioma", "meningioma", "notumor", "pituitary")


class Stage:
    """Names for the examples of one page, and a folder for them to work in.

    Args:
        folder: A folder that `prepare` filled; examples run with it as the current
            one.
        shape: What the networks see, and what the batches give.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int] = (128, 128, 3)):
        self.folder = folder
        self.shape = shape
        self.names: dict[str, Any] = {"__name__": "__main__"}

    def run(self, code: str, where: str) -> None:
        """Run one example after the ones before it.

        Raises:
            Exception: Whatever the example raises.
        """
        tree = ast.parse(code)
        for name in _free(tree):
            if name in MAKERS:
                self.give(name)
        # AutoGraph reads the source of what it traces, so there has to be a file.
        name = re.sub(r"\W", "_", where)
        file = self.folder / f"{name}.py"
        file.write_text(code, encoding="utf-8")
        exec(compile(tree, str(file), "exec"), self.names)

    def give(self, name: str) -> Any:
        """A name of the stage, made if it is not there."""
        if name not in self.names:
            self.names[name] = MAKERS[name](self)
        return self.names[name]


def network(
    seed: int, shape: tuple[int, int, int], inner: str = "inner"
) -> keras.Model:
    """A small functional network of four classes that ends in logits.

    Args:
        seed: Of its weights.
        shape: Of its input.
        inner: Name of its last feature map.
    """
    keras.utils.set_random_seed(seed)
    image = keras.Input(shape)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = keras.layers.Conv2D(6, 3, strides=4, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization(momentum=0.8)(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = keras.layers.ReLU(name=inner)(x)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return keras.Model(image, keras.layers.Dense(4, name="logits")(x))


def prepare(folder: Path) -> None:
    """Data sets under the names that the pages use."""
    kerakd.data.write_phantom(
        folder / "brain-tumor-mri", patients=48, slices_per_patient=2, size=64
    )
    (folder / "data").mkdir()
    (folder / "data" / "brain-tumor-mri").symlink_to(folder / "brain-tumor-mri")
    for name in NAMES:
        (folder / "scans" / name).mkdir(parents=True)
        source = folder / "brain-tumor-mri" / "Training" / name
        for file in sorted(source.glob("*.png")):
            patient = int(file.stem.split("-")[1][1:])
            part = file.stem[-2:]
            target = folder / "scans" / name / f"patient_{patient:03d}_{part}.png"
            target.write_bytes(file.read_bytes())
    (folder / "mri").symlink_to(folder / "brain-tumor-mri")
    (folder / "breast-ultrasound").symlink_to(folder / "scans")


def _batches(stage: Stage, split: str, **options: Any) -> Any:
    return kerakd.data.batches(
        stage.give("samples").subset(split),
        stage.shape[:2],
        channels=stage.shape[2],
        batch_size=16,
        **options,
    )


def _samples(stage: Stage) -> Any:
    samples = kerakd.data.load_images(stage.folder / "brain-tumor-mri")
    return kerakd.data.split(samples, seed=0)


def _distiller(stage: Stage) -> Any:
    distiller = kerakd.Distiller(
        stage.give("teacher"), stage.give("student"), kerakd.losses.KLDivergence(4.0)
    )
    distiller.compile(
        "adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return distiller


def _images(stage: Stage) -> np.ndarray:
    rows = [np.asarray(x) for x, *_ in stage.give("train").dataset()]
    return np.concatenate(rows)[:120]


MAKERS: dict[str, Callable[[Stage], Any]] = {
    "keras": lambda stage: keras,
    "kerakd": lambda stage: kerakd,
    "np": lambda stage: np,
    "samples": _samples,
    "train": lambda stage: _batches(stage, "train", shuffle=True),
    "validation": lambda stage: _batches(stage, "validation"),
    "test_batches": lambda stage: _batches(stage, "test"),
    "teacher": lambda stage: network(1, stage.shape, "conv4_block6_out"),
    "student": lambda stage: network(2, stage.shape, "add_5"),
    "model": lambda stage: network(3, stage.shape),
    "distiller": _distiller,
    "images": _images,
    "found": lambda stage: kerakd.data.audit(stage.give("samples"), probe=False),
}


def _free(tree: ast.Module) -> list[str]:
    """Names that an example reads, functions' bodies among them."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return list(dict.fromkeys(n.id for n in nodes if isinstance(n.ctx, ast.Load)))
