"""What a run folder holds, however far its run has come."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kerakd.errors import DataError
from kerakd.files import read_json
from kerakd.report.style import in_order

# A run that failed early has left one of these, too.
_LEFT_BY_A_RUN = ("recipe.yaml", "metrics.json", "history_*.csv")


@dataclass(frozen=True)
class RunFolder:
    """A finished, half-finished or failed run, read and never changed.

    Attributes:
        path: The folder.
        metrics: What `metrics.json` holds; empty where the run has not come so far.
    """

    path: Path
    metrics: dict[str, Any]

    @classmethod
    def open(cls, path: str | os.PathLike) -> "RunFolder":
        """Read a run folder.

        Raises:
            DataError: There is no such folder, no run is in it, or its `metrics.json`
                is none.
            KerakdError: `metrics.json` is damaged.
        """
        path = Path(path)
        if not path.is_dir():
            raise DataError(f"There is no run folder {path}; give the one of --out.")
        if not any(any(path.glob(pattern)) for pattern in _LEFT_BY_A_RUN):
            raise DataError(
                f"{path} is no run folder: it holds neither a recipe.yaml nor a "
                "metrics.json; give the folder of --out."
            )
        file = path / "metrics.json"
        metrics = read_json(file) if file.exists() else {}
        if not isinstance(metrics, dict) or not isinstance(
            metrics.get("models", {}), dict
        ):
            raise DataError(f"{file} does not hold the metrics of a run; run it again.")
        return cls(path, metrics)

    @property
    def name(self) -> str:
        return str(self.metrics.get("name") or self.path.resolve().name)

    @property
    def models(self) -> dict[str, dict[str, Any]]:
        """What is known of each model, teacher first."""
        models = self.metrics.get("models", {})
        return {model: models[model] for model in in_order(models)}

    @cached_property
    def recipe(self) -> str | None:
        """The text of `recipe.yaml`."""
        file = self.path / "recipe.yaml"
        if not file.is_file():
            return None
        return file.read_text(encoding="utf-8", errors="replace")

    def figure(self, name: str) -> Path:
        """Where the figure of this name is, or would be."""
        return self.path / "figures" / f"{name}.png"

    def figures(self, pattern: str) -> list[Path]:
        """The figures whose names match, such as `attention_*`, in order."""
        return sorted((self.path / "figures").glob(f"{pattern}.png"))

    def json(self, name: str) -> dict[str, Any]:
        """What an optional file such as `audit.json` holds; empty where it is absent.

        Raises:
            KerakdError: The file is damaged.
        """
        file = self.path / name
        found = read_json(file) if file.is_file() else {}
        return found if isinstance(found, dict) else {}

    @property
    def histories(self) -> dict[str, Path]:
        """`history_<model>.csv` by model, teacher first."""
        found = {
            file.stem.removeprefix("history_"): file
            for file in self.path.glob("history_*.csv")
        }
        return {model: found[model] for model in in_order(found)}

    @property
    def artifacts(self) -> list[Path]:
        """The models that the run left: `.keras` and `.tflite` files."""
        files = [*self.path.glob("*.keras"), *self.path.glob("*.tflite")]
        return sorted(file for file in files if not file.name.startswith("."))
