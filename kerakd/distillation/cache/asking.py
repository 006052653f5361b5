"""Asking the teachers about every sample in every view, or about some of them again."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerakd.distillation import checks, fast_teacher
from kerakd.distillation.cache import features
from kerakd.distillation.cache.forward import compiled
from kerakd.distillation.cache.store import LOGITS
from kerakd.distillation.taps import TappedModel
from kerakd.errors import ModelError

Answer = dict[str, np.ndarray]


def prepare(
    teachers: Sequence[keras.Model],
    layers: Sequence[tuple[int, str]],
    dtype: str | None,
) -> list[TappedModel]:
    """The teachers as they are asked: in a dtype, handing out layers."""
    fast_teacher.check(dtype)
    copies = []
    for index, teacher in enumerate(teachers):
        tapped = [name for i, name in layers if i == index]
        copies.append(fast_teacher.in_dtype(teacher, dtype, tapped))
    return features.tap(copies, layers)


def asker(
    tapped: Sequence[TappedModel], layers: Sequence[tuple[int, str]]
) -> Callable[[Any], Answer]:
    """A function from a batch of pictures to what is stored of it.

    Returns:
        `{"logits": (batch, teachers, ..., classes), "features_0": (batch, ...)}`.
    """
    forwards = [compiled(model) for model in tapped]

    def ask(x: Any) -> Answer:
        x = x["teacher"] if isinstance(x, dict) else x
        said = [forward(x) for forward in forwards]
        logits = [_numpy(outputs) for outputs, _ in said]
        answer = {LOGITS: np.stack(logits, axis=1)}
        for place, (index, name) in enumerate(layers):
            answer[features_name(place)] = _numpy(said[index][1][name])
        return answer

    return ask


def features_name(place: int) -> str:
    """What the file of a layer's features is called; layers may hold a slash."""
    return f"features_{place}"


def output_shape(model: keras.Model) -> tuple[int, ...]:
    """Shape of a teacher's logits for one picture.

    Raises:
        ModelError: It gives no logits, several outputs, or a shape that is not known.
    """
    checks.is_model(model, "teacher")
    checks.gives_logits(model, "teacher")
    shape = getattr(model, "output_shape", None)
    if not isinstance(shape, tuple) or None in shape[1:]:
        raise ModelError(
            f"The teacher {model.name!r} must give one tensor of known shape to be "
            f"cached; it gives {shape}."
        )
    return shape[1:]


def require_finite(answer: Answer, number: int, view: int) -> None:
    """Refuse to store what is no number.

    Raises:
        ModelError: NaN or infinity.
    """
    if not all(np.isfinite(part).all() for part in answer.values()):
        raise ModelError(
            f"The teacher gives NaN or infinity for a sample of batch {number}, view "
            f"{view}; train it again at a lower learning rate."
        )


def _numpy(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
