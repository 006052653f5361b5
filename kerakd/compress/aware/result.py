"""What compression in training gives back."""

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from kerakd.compress.writing import Export


@dataclasses.dataclass(frozen=True)
class Compressed:
    """A network that learned on while it was compressed.

    Attributes:
        model: The Keras 3 model with the weights that were learned, of the student's
            structure, not compiled.
        export: The int8 file; `None` where no `path` was given.
        history: For each epoch the means of `student_loss`, `distillation_loss` (with a
            teacher) and `total_loss`.
        report: What was done and found, JSON-able.
    """

    model: "keras.Model"
    export: "Export | None"
    history: list[dict[str, float]]
    report: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """All but the model, JSON-able."""
        export = None if self.export is None else self.export.as_dict()
        return {"export": export, "history": self.history, "report": self.report}
