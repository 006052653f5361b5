"""The full state of a training as two files, replaced whole or not at all.

`checkpoints/<name>/checkpoint.json` says where the training stands and names the
`state-*.npz` beside it that holds the numbers. It is replaced last, so until a new
state is complete the one before it counts.
"""

import math
import os
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.errors import KerakdError, ModelError
from kerakd.files import make_folder, read_json, replacing, write_json

_FORMAT = "kerakd training checkpoint"
_VERSION = 1
_POINTER = "checkpoint.json"


@dataclass
class Position:
    """Where a training stands, apart from the numbers in its variables.

    Attributes:
        epoch: Epochs that are complete.
        step: Steps done of the epoch after these.
        seconds: Time spent on that epoch.
        stopped: Whether early stopping has ended the training.
        finished: Whether there is nothing left to do.
        rows: The history, one dictionary for each epoch.
        callbacks: What callbacks with `get_state` remember, without arrays.
        setup: What was trained, on which data, how: what a resume has to repeat.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    stopped: bool = False
    finished: bool = False
    rows: list[dict] = field(default_factory=list)
    callbacks: dict[str, dict] = field(default_factory=dict)
    setup: dict = field(default_factory=dict)


def folder_of(out: str | os.PathLike, name: str) -> Path:
    """Where the checkpoints of one training lie within a run folder."""
    return Path(out) / "checkpoints" / name


def prepare(out: str | os.PathLike, name: str) -> Path:
    """`folder_of`, made and tried, so that a training does not fail after its first
    epoch.

    Raises:
        KerakdError: It cannot be made or written.
    """
    folder = make_folder(folder_of(out, name))
    with replacing(folder / "trial") as temporary:
        temporary.write_bytes(b"")
    (folder / "trial").unlink()
    return folder


def is_finished(out: str | os.PathLike, name: str) -> bool:
    """Whether a run folder holds a training of that name that has come to its end.

    Args:
        out: The run folder.
        name: Such as `"teacher"` or `"student"`.

    Raises:
        KerakdError: There is a checkpoint that cannot be read.
    """
    content = _read_pointer(folder_of(out, name))
    return content is not None and bool(content.get("finished"))


def write(folder: Path, position: Position, arrays: dict[str, np.ndarray]) -> None:
    """Replace the checkpoint in `folder`.

    Args:
        folder: See `folder_of`; made where it does not exist.
        position: Where the training stands.
        arrays: All numbers, by a name of their own.

    Raises:
        KerakdError: The files cannot be written.
    """
    make_folder(folder)
    state = folder / f"state-{position.epoch:05d}-{position.step:07d}.npz"
    if position.finished:
        state = folder / "state-finished.npz"
    with replacing(state) as temporary:
        np.savez(temporary, **{k: _storable(v) for k, v in arrays.items()})
    pointer = {"format": _FORMAT, "version": _VERSION, "state": state.name}
    write_json(folder / _POINTER, _encode(pointer | asdict(position)))
    _remove_states(folder, but=state.name)


def read(folder: Path) -> tuple[Position, dict[str, np.ndarray]] | None:
    """The checkpoint in `folder`, or `None` where there is none.

    Raises:
        KerakdError: It is damaged, or of another version of kerakd.
    """
    content = _read_pointer(folder)
    if content is None:
        return None
    state = folder / str(content.pop("state", ""))
    try:
        with np.load(state, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return Position(**content), arrays
    except (OSError, zipfile.BadZipFile, ValueError, TypeError) as error:
        raise KerakdError(
            f"The checkpoint {state} is damaged ({error}); remove {folder} and train "
            "anew."
        ) from None


def _read_pointer(folder: Path) -> dict | None:
    pointer = folder / _POINTER
    if not pointer.is_file():
        return None
    content = _decode(read_json(pointer))
    if not isinstance(content, dict) or content.pop("format", None) != _FORMAT:
        raise KerakdError(f"{pointer} is no checkpoint of kerakd; remove {folder}.")
    version = content.pop("version", None)
    if version != _VERSION:
        raise KerakdError(
            f"{pointer} has format version {version} and this kerakd reads version "
            f"{_VERSION}; train anew, or resume with the kerakd that wrote it."
        )
    return content


def clear(folder: Path) -> None:
    """Remove a checkpoint that a new training is about to replace."""
    (folder / _POINTER).unlink(missing_ok=True)
    _remove_states(folder)


def _remove_states(folder: Path, but: str | None = None) -> None:
    # A process that was killed as it wrote has left its part behind.
    for state in (*folder.glob("state-*.npz"), *folder.glob(".partial-*")):
        if state.name != but:
            state.unlink(missing_ok=True)


def values_of(variables: Sequence[Any], prefix: str) -> dict[str, np.ndarray]:
    """The values of Keras variables, named by prefix and place."""
    # Not above: whether a training is finished can be asked without loading Keras.
    import keras

    # A copy, since a metric's variable on several devices is no array itself.
    values = (keras.ops.convert_to_numpy(keras.ops.copy(v.value)) for v in variables)
    return {f"{prefix}/{i:05d}": value for i, value in enumerate(values)}


def assign(
    variables: Sequence[Any], prefix: str, arrays: dict[str, np.ndarray], where: Path
) -> None:
    """Give variables the values that `values_of` took.

    Raises:
        ModelError: They are other variables; nothing has been assigned then.
    """
    stored = [arrays[key] for key in sorted(arrays) if key.startswith(prefix + "/")]
    if len(stored) != len(variables):
        raise ModelError(
            f"The checkpoint in {where} is of another model: it holds {len(stored)} "
            f"variables of its {prefix}, this one has {len(variables)}; build the "
            "model as it was, or train anew."
        )
    for variable, value in zip(variables, stored, strict=True):
        if tuple(variable.shape) != value.shape:
            raise ModelError(
                f"The checkpoint in {where} is of another model: {variable.path!r} "
                f"has shape {tuple(variable.shape)} here and {value.shape} there; "
                "build the model as it was, or train anew."
            )
    for variable, value in zip(variables, stored, strict=True):
        variable.assign(_restored(value, variable.dtype))


def _storable(array: np.ndarray) -> np.ndarray:
    # NumPy's file format has no bfloat16: its bits are kept.
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array


def _restored(array: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "bfloat16" and array.dtype == np.uint16:
        import ml_dtypes

        return array.view(ml_dtypes.bfloat16)
    return array


def _encode(value: Any) -> Any:
    """Plain values for JSON, which knows no NaN and no infinity."""
    if isinstance(value, dict):
        return {key: _encode(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        return {key: _decode(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_decode(v) for v in value]
    return value
