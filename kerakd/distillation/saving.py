"""Loading what kerakd and Keras saved, without running anybody's code."""

import os
from pathlib import Path

import keras

from kerakd.distillation.distiller import Distiller
from kerakd.models.loading import load_model


def load(path: str | os.PathLike, compile: bool = True) -> keras.Model:
    """Load a `.keras` file: a plain model, or a Distiller that goes on where it was.

    A Distiller finds its teacher by the path that it was saved with; where that is
    gone, call `distiller.attach_teacher(model)` before `fit`.

    Args:
        path: A `.keras` file.
        compile: Whether to bring back optimizer, loss and metrics.

    Returns:
        The model.

    Raises:
        ModelError: The file is absent, no Keras file, damaged, or needs code that is
            not here; untrusted code is never run (`safe_mode`).

    Example:

    ```python
    import kerakd

    distiller = kerakd.load("runs/mri/distiller.keras")
    ```
    """
    model = load_model(path, compile=compile)
    if isinstance(model, Distiller):
        model.find_teacher(Path(path).parent)
    return model
