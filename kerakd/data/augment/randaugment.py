"""The operators of RandAugment and what a drawn strength means to the geometry.

[Cubuk et al., 2019](https://arxiv.org/abs/1909.13719), with the paper's fourteen
operators and the strongest settings of its ImageNet search space. As in KerasCV, the
magnitude is a fraction of the strongest and varies from draw to draw with a standard
deviation of 0.15. Geometric operators join the one transform of the draw, so that an
image is interpolated once; pixel operators (`pixel_operators.py`) are applied one after
the other in the drawn order.
"""

import numpy as np
from scipy.special import ndtri

from kerakd.data.augment import geometry

OPERATORS = (
    "identity",
    "auto_contrast",
    "equalize",
    "posterize",
    "solarize",
    "brightness",
    "contrast",
    "saturation",
    "sharpness",
    "rotate",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)
_SPREAD = 0.15
_STRONGEST_ROTATION = 30.0  # degrees
_STRONGEST_SHEAR = 0.3  # tangent of the angle
_STRONGEST_SHIFT = 150 / 331  # fraction of the side


def draw_operators(
    uniforms: np.ndarray, magnitude: float
) -> tuple[np.ndarray, np.ndarray]:
    """Operators and strengths from uniform numbers.

    Args:
        uniforms: Shape `(n, operations, 3)`, in [0, 1).
        magnitude: Mean of the strengths, 0 to 1.

    Returns:
        Positions in `OPERATORS`, int32 of shape `(n, operations)`, and strengths from
        -1 to 1, float32 of that shape; where the sign means nothing to an operator,
        only the size counts.
    """
    operators = (uniforms[..., 0] * len(OPERATORS)).astype(np.int32)
    sizes = np.clip(magnitude + _SPREAD * ndtri(uniforms[..., 1]), 0.0, 1.0)
    strengths = np.where(uniforms[..., 2] < 0.5, sizes, -sizes)
    return operators, strengths.astype(np.float32)


def linear_map(operators: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """The linear map of the rotations and shears among the operators.

    Args:
        operators: Positions in `OPERATORS`, shape `(n, operations)`.
        strengths: -1 to 1, of that shape.

    Returns:
        Shape `(n, 2, 2)`; the identity where there are none.
    """

    def strength_of(name: str, step: int, strongest: float) -> np.ndarray:
        chosen = operators[:, step] == OPERATORS.index(name)
        return np.where(chosen, strengths[:, step].astype(np.float64) * strongest, 0.0)

    composed = np.broadcast_to(np.eye(2), (len(operators), 2, 2))
    for step in range(operators.shape[1]):
        turned = geometry.rotation(strength_of("rotate", step, _STRONGEST_ROTATION))
        sheared = geometry.shear(
            strength_of("shear_x", step, _STRONGEST_SHEAR),
            strength_of("shear_y", step, _STRONGEST_SHEAR),
        )
        composed = turned @ sheared @ composed
    return composed


def shift(operators: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """The summed translations among the operators.

    Args:
        operators: Positions in `OPERATORS`, shape `(n, operations)`.
        strengths: -1 to 1, of that shape.

    Returns:
        Fractions of width and height, shape `(n, 2)`.
    """
    sums = [
        np.sum(np.where(operators == OPERATORS.index(name), strengths, 0.0), axis=1)
        for name in ("translate_x", "translate_y")
    ]
    return np.stack(sums, axis=-1) * _STRONGEST_SHIFT
