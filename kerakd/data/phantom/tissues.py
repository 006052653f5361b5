"""Tissues painted over one another, each covering a part of every pixel."""

import numpy as np


class Tissues:
    """Layers of tissue, from the outermost to the last painted.

    A boundary's pixels hold a part of both tissues (partial volume), since a layer
    covers what is under it by a fraction. The layers are kept, not flattened, so that
    every modality is painted from the same geometry.

    Args:
        count: Number of points.
    """

    def __init__(self, count: int):
        self.count = count
        self.layers: list[tuple[str, np.ndarray, np.ndarray | None]] = []

    def put(self, name: str, cover: np.ndarray, where: np.ndarray | None = None):
        """Paint a tissue.

        Args:
            name: The tissue.
            cover: The covered fraction of each point, 0 to 1.
            where: Indices of the points that `cover` speaks of; all if `None`.
        """
        self.layers.append((name, cover, where))

    def mix(self, values: dict[str, float]) -> np.ndarray:
        """The mean of `values` over the tissues of each point, shape `(count,)`."""
        total = np.zeros(self.count, np.float32)
        for name, cover, where in self.layers:
            value = float(values.get(name, 0.0))
            if where is None:
                total += cover * (value - total)
            else:
                under = total[where]
                total[where] = under + cover * (value - under)
        return total

    def share(self, *names: str) -> np.ndarray:
        """The fraction of each point that the named tissues fill."""
        return self.mix(dict.fromkeys(names, 1.0))
