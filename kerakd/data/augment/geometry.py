"""The geometry of a draw as one linear map and one shift, in relative units.

Coordinates are in pixels from the centre of the image, x to the right and y down; a
shift is a fraction of the width and of the height. So one draw is the same transform of
the picture at any resolution.
"""

import numpy as np


def rotation(degrees: np.ndarray) -> np.ndarray:
    """Counter-clockwise rotations, as seen on the screen; shape `(n, 2, 2)`."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return _matrices(cos, sin, -sin, cos)


def shear(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Shears: a pixel moves right by `x` times its y, down by `y` times its x."""
    one = np.ones_like(x)
    return _matrices(one, x, y, one)


def scaling(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Scalings of the picture; -1 mirrors."""
    zero = np.zeros_like(x)
    return _matrices(x, zero, zero, y)


def inverse(matrices: np.ndarray) -> np.ndarray:
    """The inverses, shape `(n, 2, 2)`; exact for identities and mirrors."""
    a, b = matrices[:, 0, 0], matrices[:, 0, 1]
    c, d = matrices[:, 1, 0], matrices[:, 1, 1]
    determinant = a * d - b * c
    adjugate = _matrices(d, -b, -c, a)
    return adjugate / determinant[:, None, None]


def _matrices(a, b, c, d) -> np.ndarray:
    rows = [np.stack([a, b], axis=-1), np.stack([c, d], axis=-1)]
    return np.stack(rows, axis=-2)
