"""Implicit fields: shapes and smooth noise, evaluated at points on demand.

A shape is a function that is positive inside, negative outside, and near its surface
about the distance to it in millimetres. Slices are then evaluated where they are
looked at, without ever building a volume, and a boundary is anti-aliased by its
distance alone. Points are float32 arrays of shape `(3, N)`: x to the right ear, y to
the nose, z to the crown.

Products of matrices are `einsum`'s, not BLAS's: with three rows BLAS is no faster,
wakes threads that fight over the cores, and rounds as its build pleases.
"""

import hashlib

import numpy as np


def generator(*key: int | str) -> np.random.Generator:
    """A counter-based generator that is a pure function of its key.

    Args:
        *key: Numbers and names, such as `(seed, patient, "anatomy")`.

    Returns:
        A NumPy generator on Philox.
    """
    text = "/".join(map(str, key)).encode()
    digest = hashlib.blake2b(text, digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


class Waves:
    """Smooth noise: a sum of cosine waves in random directions.

    A narrow band of wavelengths makes a labyrinth of stripes, as the sulci are; a wide
    one makes clouds. The field has unit variance, no lattice, and an exact gradient.

    Args:
        rng: Where the waves are drawn from.
        shortest: Shortest wavelength in millimetres.
        longest: Longest wavelength in millimetres.
        count: Number of waves.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        shortest: float,
        longest: float,
        count: int = 16,
    ):
        direction = rng.normal(size=(count, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        number = 2 * np.pi / rng.uniform(shortest, longest, size=(count, 1))
        self.frequency = (direction * number).astype(np.float32)
        self.phase = rng.uniform(0, 2 * np.pi, (count, 1)).astype(np.float32)
        self.scale = np.float32(np.sqrt(2 / count))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values of shape `(N,)` at points of shape `(3, N)`."""
        angle = np.einsum("kc,cn->kn", self.frequency, points)
        angle += self.phase
        np.cos(angle, out=angle)
        return angle.sum(axis=0) * self.scale

    def distance(self, points: np.ndarray) -> np.ndarray:
        """About the distance, in millimetres, to the nearest zero of the field.

        It is |f| / |grad f|, kept finite where the gradient vanishes.
        """
        angle = np.einsum("kc,cn->kn", self.frequency, points)
        angle += self.phase
        value = np.cos(angle).sum(axis=0)
        np.sin(angle, out=angle)
        gradient = np.einsum("kc,kn->cn", self.frequency, angle)
        steepness = np.einsum("cn,cn->n", gradient, gradient)
        floor = 0.02 * len(self.phase) * float(np.mean(self.frequency**2))
        return np.abs(value) / np.sqrt(steepness + floor)


def ellipsoid(
    points: np.ndarray, centre: tuple, radii: tuple, shear: float = 0.0
) -> np.ndarray:
    """An ellipsoid.

    Args:
        points: Shape `(3, N)`.
        centre: Its centre in millimetres.
        radii: Its half axes in millimetres.
        shear: How far its centre moves in x per millimetre of y.

    Returns:
        Positive inside; shape `(N,)`.
    """
    x = points[0] - centre[0]
    y = points[1] - centre[1]
    z = points[2] - centre[2]
    if shear:
        x = x - shear * y
    a, b, c = (1 / r for r in radii)
    x, y, z = x * a, y * b, z * c
    near = np.sqrt(x * x + y * y + z * z + 1e-6)
    x *= a
    y *= b
    z *= c
    # The small terms keep the ratio finite, and right, at the centre itself.
    far = np.sqrt(x * x + y * y + z * z + 1e-6 * a * a)
    return near * (1 - near) / far


def capsule(
    points: np.ndarray, start: tuple, end: tuple, first: float, last: float
) -> np.ndarray:
    """A rod with round ends whose radius goes from `first` to `last`."""
    start, end = np.float32(start), np.float32(end)
    axis = end - start
    offset = points - start[:, None]
    along = np.einsum("c,cn->n", axis, offset) * (1 / float(axis @ axis))
    along = np.clip(along, 0, 1)
    offset -= axis[:, None] * along
    distance = np.sqrt(np.einsum("cn,cn->n", offset, offset))
    return first + (last - first) * along - distance


def joined(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """The union of two shapes, its crease rounded over `width` millimetres."""
    blend = np.maximum(width - np.abs(a - b), 0)
    return np.maximum(a, b) + blend * blend * (0.25 / width)


def common(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """The intersection of two shapes, its edge rounded over `width` millimetres."""
    return -joined(-a, -b, width)


def rise(value: np.ndarray, width: float) -> np.ndarray:
    """A step from 0 to 1 at zero, smooth over about `width`."""
    return 0.5 + 0.5 * np.tanh(value * (1 / width))


def cover(inside: np.ndarray, width: float) -> np.ndarray:
    """How much of a pixel of `width` millimetres a shape covers, from 0 to 1."""
    return np.clip(inside * (1 / width) + 0.5, 0, 1)


def sheet(distance: np.ndarray, thickness, width: float) -> np.ndarray:
    """How much of a pixel a sheet covers whose middle is `distance` away.

    A sheet thinner than the pixel is faint, as in an image of thick pixels.
    """
    half = np.multiply(thickness, 0.5)
    return cover(half - distance, width) - cover(-half - distance, width)
