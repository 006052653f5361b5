"""Integrated gradients along a straight path, with steps where the path is rough.

Networks of ReLUs are not smooth, least of all near a black picture: on a trained
MobileNetV2 half of what even steps miss lies in the first thirtieth of the path, and
128 of them are needed for an error of half a percent. The score itself is known at both
ends of each step, so what a step misses is known, too; the steps that miss most are cut
into three, whose middle one keeps its gradient.
"""

from typing import Any

import numpy as np

from kerakd.errors import DataError, RecipeError
from kerakd.explain.network import Network


def integrated_gradients(
    network: Network,
    images: np.ndarray,
    classes: np.ndarray,
    region: np.ndarray,
    baseline: Any = 0.0,
    steps: int = 16,
    tolerance: float = 0.004,
    most_steps: int = 256,
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Scores, absolute attributions summed over channels, and how complete they are.

    Returns:
        Scores; raw maps; and `attributions` (signed, of the pictures' shape), `delta`
        (|sum of attributions - (score - score of the baseline)|), `completeness_error`
        (delta over |score - score of the baseline|) and `steps`.
    """
    if steps < 2 or most_steps < steps or not tolerance > 0:
        raise RecipeError(
            "Integrated gradients need at least 2 steps, at most `most_steps`, and a "
            f"tolerance above 0; got {steps}, {most_steps} and {tolerance}."
        )
    starts = _baseline(baseline, images)
    found = []
    for row, (image, start) in enumerate(zip(images, starts, strict=True)):
        path = _Path(network, start, image, classes[row], region[row])
        path.walk(steps, tolerance, most_steps)
        found.append(path)
    attributions = np.stack([path.attributions() for path in found])
    rises = np.array([path.rise for path in found])
    # Of the attributions as they are given, whatever the path believed on its way.
    delta = np.abs(attributions.sum(axis=(1, 2, 3), dtype=np.float64) - rises)
    details = {
        "attributions": attributions,
        "delta": delta.astype(np.float32),
        "completeness_error": (delta / np.maximum(np.abs(rises), 1e-12)).astype("f4"),
        "steps": np.array([len(path.gradients) for path in found], np.int32),
    }
    scores = np.array([path.ends[-1] for path in found], np.float32)
    return scores, np.abs(attributions.sum(-1)), details


class _Path:
    """One picture's way from its baseline, in steps of unequal length."""

    def __init__(self, network, start, image, one_class, region):
        self.network, self.start, self.way = network, start, image - start
        self.one_class, self.region = one_class, region
        self.edges = np.array([0.0, 1.0])
        self.ends = self._scores(self.edges)
        self.gradients: list[np.ndarray] = []
        self.rises = np.zeros(0)

    @property
    def rise(self) -> float:
        """How far the score rises from the baseline to the picture."""
        return float(self.ends[-1] - self.ends[0])

    def walk(self, steps: int, tolerance: float, most_steps: int) -> None:
        """Take steps until what they miss together is within the tolerance."""
        self.edges = np.linspace(0, 1, steps + 1)
        inner = self._scores(self.edges[1:-1])
        self.ends = np.concatenate([self.ends[:1], inner, self.ends[-1:]])
        self.gradients, self.rises = self._gradients(_middles(self.edges))
        while abs(self._missed().sum()) > tolerance * abs(self.rise):
            count = min(max(1, len(self.gradients) // 3), 16)
            count = min(count, (most_steps - len(self.gradients)) // 2)
            if count < 1:
                break
            self._cut(np.sort(np.argsort(-np.abs(self._missed()))[:count]))

    def attributions(self) -> np.ndarray:
        """(picture - baseline) times the mean gradient, of the picture's shape."""
        lengths = np.diff(self.edges)
        total = np.zeros(self.way.shape)
        for gradient, length in zip(self.gradients, lengths, strict=True):
            total += length * gradient
        return (total * self.way).astype(np.float32)

    def _missed(self) -> np.ndarray:
        return self.rises * np.diff(self.edges) - np.diff(self.ends)

    def _cut(self, chosen: np.ndarray) -> None:
        """Cut these steps into three."""
        left, right = self.edges[chosen], self.edges[chosen + 1]
        third = (right - left) / 3
        first, second = left + third, right - third
        scores = self._scores(np.concatenate([first, second]))
        gradients, rises = self._gradients(
            np.concatenate([left + third / 2, right - third / 2])
        )
        # From the last to the first, so that the places of those before stay.
        for k in range(len(chosen) - 1, -1, -1):
            place, other = chosen[k], k + len(chosen)
            self.edges = np.insert(self.edges, place + 1, [first[k], second[k]])
            self.ends = np.insert(self.ends, place + 1, [scores[k], scores[other]])
            self.rises = np.insert(self.rises, place + 1, rises[other])
            self.rises = np.insert(self.rises, place, rises[k])
            self.gradients.insert(place + 1, gradients[other])
            self.gradients.insert(place, gradients[k])

    def _scores(self, shares: np.ndarray) -> np.ndarray:
        return self._asked(self.network.score, shares).astype(np.float64)

    def _gradients(self, shares: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Gradients, and how steeply the score rises along the path there."""
        gradients = self._asked(
            lambda *more: self.network.input_gradient(*more)[1].numpy(), shares
        )
        rises = (gradients * self.way).sum(axis=(1, 2, 3), dtype=np.float64)
        return list(gradients), rises

    def _asked(self, question: Any, shares: np.ndarray) -> np.ndarray:
        found = []
        for part in np.split(shares, range(32, len(shares), 32)):
            weights = part.astype(np.float32)[:, None, None, None]
            found.append(
                question(
                    self.start + weights * self.way,
                    np.full(len(part), self.one_class, np.int32),
                    np.repeat(self.region[None], len(part), 0),
                )
            )
        return np.concatenate(found)


def _middles(edges: np.ndarray) -> np.ndarray:
    return (edges[1:] + edges[:-1]) / 2


def _baseline(baseline: Any, images: np.ndarray) -> np.ndarray:
    baseline = np.asarray(baseline, np.float32)
    try:
        return np.ascontiguousarray(np.broadcast_to(baseline, images.shape))
    except ValueError:
        raise DataError(
            f"The baseline has the shape {baseline.shape} and the network's pictures "
            f"{images.shape[1:]}; give a number or one picture of that shape."
        ) from None
