"""What a method says about a batch of pictures."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerakd.explain.resizing import normalise, resize_maps


@dataclass(frozen=True, eq=False)
class Explanation:
    """Heat maps of a batch. It can be used as the array `maps` of shape (B, H, W).

    Attributes:
        method: Name of the method.
        raw: The maps as the method gave them, float32 of shape (B, h, w): at the size
            of the layer for activation maps, of the input for gradients.
        size: (height, width) of the pictures that were given.
        classes: The class that each map is about, int32 of shape (B,).
        scores: Score of that class, float32 of shape (B,): its logit; of a network with
            one logit z, z for class 1 and -z for class 0; of a segmentation network,
            its mean over the region; of RISE and Score-CAM, see there.
        layer: The layer whose activations were read; `None` where there is none.
        details: What else the method reports; see each method.
    """

    method: str
    raw: np.ndarray
    size: tuple[int, int]
    classes: np.ndarray
    scores: np.ndarray
    layer: str | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def maps(self) -> np.ndarray:
        """The maps at the size of the pictures, each spread over 0..1."""
        return self.at(self.size)

    @property
    def empty(self) -> np.ndarray:
        """Which maps say nothing because they are constant, bool of shape (B,)."""
        return np.ptp(self.raw.reshape(len(self.raw), -1), axis=1) == 0

    def at(self, size: tuple[int, int]) -> np.ndarray:
        """The maps at a size, each spread over 0..1: float32 of shape (B, *size)."""
        return normalise(resize_maps(self.raw, size))

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, index: Any) -> np.ndarray:
        return self.maps[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.maps if dtype is None else self.maps.astype(dtype)
