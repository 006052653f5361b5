"""Who teaches in a run."""

from dataclasses import dataclass
from pathlib import Path

import keras

from kerakd.run.job import Shape


@dataclass(frozen=True)
class Teacher:
    """The teacher of a run.

    Args:
        models: Its members.
        files: Their files in the run folder.
        title: What it is called in tables.
    """

    models: list[keras.Model]
    files: list[Path]
    title: str

    @property
    def shape(self) -> Shape:
        """What its members see; all see the same."""
        return tuple(self.models[0].input_shape[1:])
