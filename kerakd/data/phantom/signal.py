"""From tissues to a picture: contrast, bias field, noise, window."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from kerakd.data.phantom.tissues import Tissues

MODALITIES = ("t1", "t1ce", "t2", "flair")

# Signal of each tissue in the order of MODALITIES; fat in T1 is 1. "t1ce" is T1 after a
# contrast agent, which stays in vessels and passes into tissue without a blood-brain
# barrier.
SIGNAL = {
    "air": (0.01, 0.01, 0.01, 0.01),
    "skin": (0.55, 0.65, 0.38, 0.40),
    "fat": (1.20, 1.15, 0.75, 0.62),
    "muscle": (0.36, 0.42, 0.20, 0.28),
    "bone": (0.05, 0.05, 0.04, 0.04),
    "marrow": (0.42, 0.46, 0.30, 0.28),
    "mucosa": (0.38, 0.75, 0.80, 0.60),
    "vitreous": (0.16, 0.17, 1.00, 0.16),
    "csf": (0.17, 0.18, 1.00, 0.11),
    "grey": (0.46, 0.47, 0.58, 0.60),
    "white": (0.63, 0.61, 0.41, 0.47),
    "deep": (0.54, 0.55, 0.46, 0.53),
    "dura": (0.30, 0.70, 0.25, 0.40),
    "vessel": (0.12, 0.98, 0.07, 0.10),
    "choroid": (0.36, 0.90, 0.75, 0.45),
    "gland": (0.55, 0.92, 0.55, 0.55),
    "edema": (0.47, 0.48, 0.80, 0.92),
    "necrosis": (0.29, 0.28, 0.88, 0.42),
    "glioma": (0.46, 1.02, 0.66, 0.74),
    "meningioma": (0.48, 0.98, 0.60, 0.66),
    "pituitary": (0.48, 0.88, 0.62, 0.62),
    "tail": (0.35, 0.92, 0.30, 0.45),
}
_LESIONS = ("edema", "necrosis", "glioma", "meningioma", "pituitary")


@dataclass(frozen=True)
class Scanner:
    """How one patient's pictures are taken; drawn alike for every class.

    Attributes:
        tissue: Factor on each tissue's signal.
        contrast: Factor on the difference between grey and white matter.
        bias: Coefficients of the smooth receive field.
        noise: Standard deviation of the noise in both channels.
        blur: Width of the point spread in millimetres.
        grain: Strength of the tissue's own texture.
        gain: Brightness of the window.
        gamma: Exponent of the window.
        floor: Black level of the window.
    """

    tissue: dict[str, float]
    contrast: float
    bias: np.ndarray
    noise: float
    blur: float
    grain: float
    gain: float
    gamma: float
    floor: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Scanner":
        """Draw a scanner and the window that its pictures are looked at through."""
        tissue = {
            name: float(rng.normal(1, 0.09 if name in _LESIONS else 0.04))
            for name in SIGNAL
        }
        tissue["fat"] *= rng.uniform(0.85, 1.3)
        return cls(
            tissue=tissue,
            contrast=rng.uniform(0.45, 1.15),
            bias=rng.normal(0, (0.13, 0.13, 0.13, 0.08, 0.08, 0.08)),
            noise=rng.uniform(0.008, 0.03),
            blur=rng.uniform(0.4, 0.9),
            grain=rng.uniform(0.02, 0.045),
            gain=rng.uniform(0.65, 1.2),
            gamma=rng.uniform(0.8, 1.25),
            floor=rng.uniform(0.0, 0.04),
        )

    def signal(self, tissue: str, modality: str) -> float:
        """The signal of one tissue in this patient."""
        column = MODALITIES.index(modality)
        value = SIGNAL[tissue][column] * self.tissue[tissue]
        if tissue in ("grey", "deep", "white"):
            middle = 0.5 * (SIGNAL["grey"][column] + SIGNAL["white"][column])
            value = middle + self.contrast * (value - middle)
        return value

    def paint(
        self, tissues: Tissues, points: np.ndarray, modality: str, texture: np.ndarray
    ) -> np.ndarray:
        """The signal at points before blur and noise, in the receive field.

        Args:
            tissues: What each point holds.
            points: The points, shape `(3, N)`.
            modality: One of `MODALITIES`.
            texture: The tissue's own noise, shape `(N,)`.

        Returns:
            Shape `(N,)`, about 1 for fat in T1.
        """
        signal = tissues.mix({name: self.signal(name, modality) for name in SIGNAL})
        signal *= 1 + self.grain * texture
        x, y, z = points * (1 / 90)
        terms = np.stack([x, y, z, x * x - 0.3, y * y - 0.3, x * y])
        return signal * np.exp(np.einsum("k,kn->n", np.float32(self.bias), terms))

    def measure(
        self, image: np.ndarray, pixel: float, rng: np.random.Generator
    ) -> np.ndarray:
        """Blur a picture and add noise.

        Args:
            image: Signal, shape `(height, width)`.
            pixel: Width of a pixel in millimetres.
            rng: Where the noise is drawn from.

        Returns:
            The magnitude image, float32 of the same shape.
        """
        image = gaussian_filter(image, self.blur / pixel, truncate=3)
        # Noise of equal strength in the real and imaginary channel: Rician magnitude.
        noise = rng.standard_normal((2, *image.shape), dtype=np.float32) * self.noise
        return np.hypot(image + noise[0], noise[1])

    def window(self, image: np.ndarray) -> np.ndarray:
        """The image as uint8 through this patient's window."""
        shown = np.clip((image - self.floor) * self.gain, 0, 1) ** self.gamma
        return np.round(255 * shown).astype(np.uint8)
