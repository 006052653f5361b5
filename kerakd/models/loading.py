"""Reading a `.keras` file that may come from anywhere."""

import importlib
import json
import os
import re
import zipfile
from pathlib import Path

import keras

from kerakd.errors import KerakdError, ModelError
from kerakd.models.sources import first_line


def load_model(path: str | os.PathLike, compile: bool = False) -> keras.Model:
    """Load a `.keras` file without running code that it brings along.

    Args:
        path: A `.keras` file.
        compile: Whether optimizer, loss and metrics come back too.

    Returns:
        The model.

    Raises:
        ModelError: The file is absent, damaged, holds code, needs a class that is not
            registered, or is of a version that this Keras cannot read.
    """
    path = Path(path)
    config, version = _contents(path)
    register_classes(config)
    try:
        return keras.saving.load_model(path, compile=compile, safe_mode=True)
    except KerakdError:
        raise
    except Exception as error:  # Keras raises many kinds; the user needs one sentence.
        raise ModelError(_explain(path, version, error)) from error


def register_classes(config: str) -> None:
    """Import the kerakd modules whose classes a saved model's JSON names.

    Keras finds registered classes only, and registers them when their module is
    imported; a module outside this package is never imported.
    """
    for module in sorted(set(re.findall(r'"module": "(kerakd(?:\.\w+)+)"', config))):
        if importlib.util.find_spec(module) is not None:
            importlib.import_module(module)


def _contents(path: Path) -> tuple[str, str]:
    """The JSON of the model and the Keras version that wrote it."""
    if not path.is_file():
        raise ModelError(f"There is no model file {path}; check the path.")
    if path.suffix != ".keras":
        raise ModelError(
            f"{path} is no .keras file; save models with model.save('name.keras')."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = json.loads(archive.read("metadata.json"))
            config = archive.read("config.json").decode("utf-8")
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise ModelError(
            f"{path} is damaged or no Keras 3 file ({first_line(error)}); save it "
            "again with model.save('name.keras')."
        ) from None
    return config, str(metadata.get("keras_version", "unknown"))


def _explain(path: Path, version: str, error: Exception) -> str:
    text = str(error)
    if "safe_mode" in text or "lambda" in text.lower():
        return (
            f"{path} holds code (a Lambda layer or the like), which is never run from "
            "a file; rebuild the model with registered layers and save it again."
        )
    missing = re.search(r"Could not locate (?:class|function) '([^']+)'", text)
    if missing:
        return (
            f"{path} needs the class or function {missing[1]!r}; import the module "
            "that registers it (keras.saving.register_keras_serializable), then load."
        )
    return (
        f"{path} was saved with Keras {version} and Keras {keras.__version__} cannot "
        f"load it ({first_line(error)}); load it with the former and save it again."
    )
