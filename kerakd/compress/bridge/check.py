"""That the two sides of the bridge compute the same."""

from typing import Any

import keras
import numpy as np

from kerakd.compress.silence import quiet
from kerakd.errors import ModelError

_ANY_SIZE = 64
_BATCH = 2


def check_equal(
    flat: keras.Model,
    legacy: Any,
    stations: list[tuple[str, Any, Any]],
    tolerance: float,
    seed: int,
) -> float:
    """Compare both on random pixels in 0..255.

    Args:
        flat: The Keras 3 model.
        legacy: Its twin.
        stations: `replay`'s list, to name the first layer where they part.
        tolerance: The largest difference over the largest value of an output that is
            let pass.
        seed: Of the pixels.

    Returns:
        That difference.

    Raises:
        ModelError: They differ by more, or the Keras model's output is not finite.
    """
    random = np.random.default_rng(seed)
    inputs = [
        random.integers(0, 256, _shape(x)).astype(
            keras.backend.standardize_dtype(x.dtype)
        )
        for x in flat.inputs
    ]
    error = _error(flat.name, *_run(flat, legacy, inputs))
    if error <= tolerance:
        return error
    raise ModelError(
        f"The tf_keras twin of {flat.name!r} differs from it by {error:.2g} of the "
        f"largest output, more than {tolerance:g}; "
        f"{_first_difference(flat, legacy, stations, inputs, tolerance)}."
    )


def _shape(tensor: Any) -> tuple[int, ...]:
    batch, *rest = tensor.shape
    return (batch or _BATCH, *(extent or _ANY_SIZE for extent in rest))


def _run(flat: Any, legacy: Any, inputs: list[np.ndarray]) -> tuple[list, list]:
    given = keras.tree.pack_sequence_as(flat.input, inputs)
    with quiet():
        expected = flat(given, training=False)
        found = legacy(given, training=False)
    return (
        [
            np.asarray(keras.ops.convert_to_numpy(x))
            for x in keras.tree.flatten(expected)
        ],
        [np.asarray(x) for x in keras.tree.flatten(found)],
    )


def _error(name: str, expected: list, found: list) -> float:
    worst = 0.0
    for one, other in zip(expected, found, strict=True):
        one = one.astype(np.float64)
        if not np.isfinite(one).all():
            raise ModelError(
                f"The Keras model {name!r} gives values that are not finite on random "
                "pixels, so its twin cannot be checked; look for NaN in its weights."
            )
        if one.shape != other.shape:
            return float("inf")
        largest = float(np.abs(one).max())
        difference = float(np.abs(one - other).max())
        # NaN is no number that could be below the tolerance.
        ratio = difference / largest if largest else difference
        worst = max(worst, float("inf") if np.isnan(ratio) else ratio)
    return worst


def _first_difference(
    flat: Any, legacy: Any, stations: list, inputs: list, tolerance: float
) -> str:
    """A clause that names the first layer whose output differs."""
    import tf_keras

    ours = keras.Model(flat.inputs, [x for _, x, _ in stations])
    theirs = tf_keras.Model(legacy.inputs, [x for _, _, x in stations])
    for (name, _, _), one, other in zip(
        stations, ours(inputs), theirs(inputs), strict=True
    ):
        if _error(flat.name, [np.asarray(one)], [np.asarray(other)]) > tolerance:
            return f"the first layer that differs is {name!r}"
    return "every layer alone agrees, so small errors add up"
