"""The folder of a run: claimed once, and what is finished in it."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerakd.errors import KerakdError, RecipeError
from kerakd.files import make_folder, read_json, replacing, write_json
from kerakd.recipe import Recipe, load_recipe, save_recipe
from kerakd.training.options import TrainingOptions

_LEDGER = "run.json"
# What decides students alone, and the stages that have made something of it.
_OF_STUDENTS = ("student.", "distillation.", "seeds", "baseline")
_STUDENT_STAGES = {"sweep", "student", "baseline"}


class Folder:
    """A run folder, and the ledger of its stages in `run.json`.

    Attributes:
        path: The folder.
        resuming: Whether an earlier run's work is taken up.
    """

    def __init__(self, path: Path, *, resuming: bool, existed: bool, ledger: dict):
        self.path = path
        self.resuming = resuming
        self._existed = existed
        self._ledger = ledger

    @classmethod
    def claim(cls, path: str | os.PathLike, recipe: Recipe, resume: bool) -> "Folder":
        """Take a new or empty folder for a run, or one to go on in.

        Args:
            path: The folder; made where it does not exist.
            recipe: What is run in it; written as `recipe.yaml`.
            resume: Whether a run of the same recipe may be there already.

        Raises:
            KerakdError: The folder holds files and `resume` is not set, holds no run,
                or cannot be written.
            RecipeError: The run there is of another recipe; one whose teacher alone is
                trained may go on with other students and another distillation.
        """
        path = Path(path)
        existed = path.is_dir()
        occupied = existed and any(path.iterdir())
        if occupied and not resume:
            raise KerakdError(
                f"{path} holds files already; go on with that run by --resume, or "
                "choose another folder with --out."
            )
        ledger = {"stages": {}}
        if occupied:
            ledger = _ledger_of(path)
            _check_same(path / "recipe.yaml", recipe, ledger)
        make_folder(path)
        folder = cls(path, resuming=occupied, existed=existed, ledger=ledger)
        if not occupied:
            with folder.or_nothing():
                save_recipe(recipe, path / "recipe.yaml")
                folder._write()
        return folder

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def keep_recipe(self, recipe: Recipe) -> None:
        """Write the recipe where a resumed run exports or judges more than before."""
        if load_recipe(self / "recipe.yaml") != recipe:
            save_recipe(recipe, self / "recipe.yaml")

    @contextmanager
    def or_nothing(self) -> Iterator[None]:
        """Leave nothing behind where the block fails and the run is a new one."""
        try:
            yield
        except BaseException:
            if not self.resuming:
                for entry in list(self.path.iterdir()):
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
                if not self._existed:
                    self.path.rmdir()
            raise

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage, over all attempts at it, and note when it is finished."""
        entry = self._ledger["stages"].setdefault(
            name, {"seconds": 0.0, "finished": False}
        )
        self._write()
        before, start = entry["seconds"], time.monotonic()
        try:
            yield
            entry["finished"] = True
        finally:
            entry["seconds"] = round(before + time.monotonic() - start, 2)
            self._write()

    def finished(self, name: str) -> bool:
        """Whether a stage has come to its end."""
        return self._ledger["stages"].get(name, {}).get("finished", False)

    def pledge(self, name: str, value: Any, hint: str) -> None:
        """Note what a resumed run has to repeat, or refuse it where it does not.

        Args:
            name: What it is called in the ledger.
            value: Plain JSON values.
            hint: How the user sets it, for the error.

        Raises:
            RecipeError: The run that is resumed had another value.
        """
        value = json.loads(json.dumps(value))
        before = self._ledger.setdefault(name, value)
        if before != value:
            raise RecipeError(
                f"The run in {self.path} was begun with another {name}; resume with "
                f"the {hint} of then, or choose another folder with --out."
            )
        self._write()

    @property
    def seconds(self) -> dict[str, float]:
        """Time spent on each stage."""
        return {
            name: entry["seconds"] for name, entry in self._ledger["stages"].items()
        }

    def _write(self) -> None:
        write_json(self.path / _LEDGER, self._ledger)


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file whole or not at all, unless it is there."""
    if target.is_file():
        return
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def holds_teacher(path: str | os.PathLike) -> bool:
    """Whether a folder holds a run whose teacher is trained."""
    path = Path(path)
    if not (path / _LEDGER).is_file():
        return False
    return _ledger_of(path)["stages"].get("teacher", {}).get("finished", False)


def _ledger_of(path: Path) -> dict[str, Any]:
    if not (path / _LEDGER).is_file():
        raise KerakdError(
            f"{path} holds files but no run to resume (there is no {_LEDGER}); choose "
            "another folder with --out."
        )
    ledger = read_json(path / _LEDGER)
    if not isinstance(ledger, dict) or not isinstance(ledger.get("stages"), dict):
        raise KerakdError(
            f"{path / _LEDGER} is damaged; choose another folder with --out."
        )
    return ledger


def _check_same(path: Path, recipe: Recipe, ledger: dict[str, Any]) -> None:
    there, wanted = load_recipe(path).get_config(), recipe.get_config()
    # Options such as tensorboard leave the weights as they are.
    free = TrainingOptions.free_names() | {"description", "audit", "external"}
    free |= {"tiny", "without_data", "heat_maps"}
    open_yet = ("tiny.", "without_data.", "export.")
    # A teacher that was trained alone takes any student.
    if not _STUDENT_STAGES & set(ledger["stages"]):
        open_yet += _OF_STUDENTS
    other = [
        key
        for key in _differences(there, wanted)
        if key.rpartition(".")[2] not in free and not key.startswith(open_yet)
    ]
    if other:
        raise RecipeError(
            f"The run in {path.parent} was begun with another recipe: "
            f"{', '.join(other[:5])} differ{'s' if len(other) == 1 else ''}; resume "
            "with the recipe as it was, or choose another folder with --out."
        )


def _differences(a: Any, b: Any, key: str = "") -> list[str]:
    """The dotted keys in which two configurations differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        return [
            found
            for name in dict.fromkeys([*a, *b])
            for found in _differences(
                a.get(name), b.get(name), f"{key}.{name}" if key else name
            )
        ]
    return [] if a == b else [key]
