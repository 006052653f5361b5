"""Heat maps of one model on single image files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.data import decode, resize
from kerakd.errors import ModelError, RecipeError
from kerakd.explain.asking import explain_many, methods_for, opinion
from kerakd.report.attention import plot_model
from kerakd.run.assess import open_model
from kerakd.run.networks import names_beside


def explain_images(
    model: str | os.PathLike,
    images: Sequence[str | os.PathLike],
    methods: Sequence[str] | None = None,
    out: str | os.PathLike | None = None,
) -> dict[str, Any]:
    """Draw heat maps of image files by several methods, about the class it says.

    Args:
        model: A `.keras` or `.tflite` file.
        images: Image files.
        methods: Names from `kerakd.explain.METHODS`; by default those that suit it.
        out: The PNG to write; by default `<model>_explained.png` in this folder.

    Returns:
        JSON-able: `images` (`path`, `class`, `probability`) and `figure`.

    Raises:
        ModelError: The model cannot be loaded, or explained by that method.
        DataError: An image cannot be read.
        RecipeError: There is no image.
    """
    path = Path(model)
    if not images:
        raise RecipeError(
            f"There is no image to explain {path} on; name it by --image."
        )
    runner, shape = open_model(path)
    methods = list(methods or methods_for(runner))
    pixels = np.stack(
        [resize(decode(one, shape[2]), shape[:2]) for one in images]
    ).astype(np.float32)
    chances = opinion([runner], pixels)
    if chances.ndim != 2:
        raise ModelError(
            f"{path} answers for each pixel; explain it in Python, with a class and a "
            "region: kerakd.explain.gradcam(model, images, classes, region=...)."
        )
    names = getattr(runner, "class_names", None) or names_beside(path)
    if not names or len(names) != chances.shape[-1]:
        names = [f"class {k}" for k in range(chances.shape[-1])]
    found = explain_many(runner, pixels, methods, chances.argmax(-1))
    answers = [
        {
            "path": str(one),
            "class": names[row.argmax()],
            "probability": float(row.max()),
        }
        for one, row in zip(images, chances, strict=True)
    ]
    figure = Path(out or f"{path.stem}_explained.png")
    plot_model(
        pixels,
        [(Path(one["path"]).name, one["class"], one["probability"]) for one in answers],
        {method: one.maps for method, one in found.items()},
        figure,
    )
    return {"images": answers, "figure": str(figure)}
