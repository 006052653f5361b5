"""Loading what kerakd and Keras saved, without running anybody's code."""

import json
import os
import re
import zipfile
from pathlib import Path

import keras

from kerakd.errors import KerakdError, ModelError


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
    # These register their classes in Keras's registry.
    from kerakd.distillation import distiller, registry  # noqa: F401

    path = Path(path)
    saved_with = _keras_version(path)
    try:
        model = keras.models.load_model(path, compile=compile, safe_mode=True)
    except KerakdError:
        raise
    except Exception as error:  # Keras raises many kinds; the user needs one sentence.
        raise ModelError(_explain(path, saved_with, error)) from error
    if isinstance(model, distiller.Distiller):
        model.find_teacher(path.parent)
    return model


def _keras_version(path: Path) -> str:
    if not path.exists():
        raise ModelError(f"There is no model file {path}; check the path.")
    if path.suffix != ".keras":
        raise ModelError(
            f"{path} is no .keras file; save models with model.save('name.keras')."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = json.loads(archive.read("metadata.json"))
        return str(metadata.get("keras_version", "unknown"))
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError, OSError) as error:
        raise ModelError(
            f"{path} is damaged or no Keras 3 file ({error}); save it again with "
            "model.save('name.keras')."
        ) from None


def _explain(path: Path, saved_with: str, error: Exception) -> str:
    text = str(error)
    if "safe_mode" in text or "unsafe" in text.lower() or "lambda" in text.lower():
        return (
            f"{path} holds code (a Lambda layer or the like), which is not run from "
            "files; rebuild the model with registered layers and save it again."
        )
    missing = re.search(r"Could not locate (?:class|function) '([^']+)'", text)
    if missing:
        return (
            f"{path} needs the custom class {missing[1]!r}; import the module that "
            "registers it with keras.saving.register_keras_serializable, then load."
        )
    # Keras wraps the cause in one layer of explanation for each nesting.
    cause = text.rsplit("Exception encountered: ", 1)[-1].strip()
    first = cause.splitlines()[0][:200] if cause else type(error).__name__
    return (
        f"{path} was saved with Keras {saved_with} and cannot be loaded with "
        f"{keras.__version__} ({first}); load it there and save it again."
    )
