"""How logits are held in a cache, and what comes back."""

import numpy as np

from kerakd.errors import RecipeError, nearest


class Exact:
    """float32, all logits as they came: training is equal to the bit."""

    dtype = "float32"

    @staticmethod
    def stored_shape(shape: tuple) -> tuple:
        return shape

    @staticmethod
    def encode(logits: np.ndarray) -> np.ndarray:
        return logits.astype(np.float32)

    encode_features = encode

    @staticmethod
    def decode(stored: np.ndarray, classes: int) -> np.ndarray:
        return np.asarray(stored, np.float32)

    @staticmethod
    def largest_error(stored: np.ndarray) -> float:
        return 0.0


class Compact:
    """float16, each logit less the last one: KL sees no constant that is added.

    A float16 has 11 significant bits: a difference below 16 is off by at most 0.004,
    one below 32 by at most 0.008. Of a binary segmentation one value a pixel is left.
    """

    dtype = "float16"

    @staticmethod
    def stored_shape(shape: tuple) -> tuple:
        return (*shape[:-1], max(shape[-1] - 1, 1))

    @staticmethod
    def encode(logits: np.ndarray) -> np.ndarray:
        if logits.shape[-1] > 1:
            logits = logits[..., :-1] - logits[..., -1:]
        return Compact.encode_features(logits)

    @staticmethod
    def encode_features(features: np.ndarray) -> np.ndarray:
        largest = float(np.finfo(np.float16).max)
        return np.clip(features, -largest, largest).astype(np.float16)

    @staticmethod
    def decode(stored: np.ndarray, classes: int) -> np.ndarray:
        values = np.asarray(stored, np.float32)
        if classes == 1:
            return values
        return np.concatenate([values, np.zeros_like(values[..., :1])], axis=-1)

    @staticmethod
    def largest_error(stored: np.ndarray) -> float:
        """Half the distance of two neighbours where the values are largest."""
        largest = np.max(np.abs(stored), initial=0.0).astype(np.float16)
        return float(np.spacing(largest)) / 2


MODES = {"exact": Exact, "compact": Compact}


def codec(mode: str):
    """The codec of a mode.

    Raises:
        RecipeError: There is no such mode.
    """
    if mode not in MODES:
        raise RecipeError(f"Unknown cache mode {mode!r}. {nearest(mode, MODES)}")
    return MODES[mode]
