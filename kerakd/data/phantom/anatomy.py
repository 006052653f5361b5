"""One person's head: its measures, drawn at random, and its bounding surfaces.

Lengths are millimetres in the person's own frame, near that of the MNI atlas: the
origin between the hemispheres at the anterior commissure, x to the right ear, y to the
nose, z to the crown. Sizes of structures are round figures for an adult.
"""

from dataclasses import dataclass, field

import numpy as np

from kerakd.data.phantom.fields import Waves, common, ellipsoid, joined, rise

CENTRE = (0.0, -16.0, 8.0)


@dataclass(frozen=True)
class Anatomy:
    """The measures of one head.

    Attributes:
        radii: Half width, half length and height of the space inside the skull.
        taper: How much narrower the forehead is than the back of the head.
        squareness: Exponent of the vault's sections; 2 is an ellipse.
        bone: Thickness of the skull.
        fat: Thickness of the fat under the scalp.
        atrophy: From 0 (tight sulci, slit ventricles) to 1 (wide ones).
        cortex: Thickness of the grey matter.
        ventricles: Scale of the ventricles' width, left and right.
        sulcal_depth: Depth of the primary sulci.
        noise: Named smooth noise fields.
    """

    radii: tuple[float, float, float]
    taper: float
    squareness: float
    bone: float
    fat: float
    atrophy: float
    cortex: float
    ventricles: tuple[float, float]
    sulcal_depth: float
    noise: dict[str, Waves] = field(repr=False)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Anatomy":
        """Draw a person.

        Args:
            rng: Where the measures are drawn from.

        Returns:
            The head; equal for equal generators.
        """
        atrophy = rng.beta(1.6, 1.8)
        ventricles = (0.75 + 0.85 * atrophy) * rng.uniform(0.85, 1.2)
        lopsided = rng.normal(0, 0.06)
        return cls(
            radii=(
                70 * rng.normal(1, 0.025),
                88 * rng.normal(1, 0.025),
                72 * rng.normal(1, 0.025),
            ),
            taper=rng.uniform(0.05, 0.12),
            squareness=rng.uniform(2.1, 2.5),
            bone=rng.uniform(4.5, 8.0),
            fat=rng.uniform(3.0, 8.0),
            atrophy=atrophy,
            cortex=rng.uniform(2.8, 3.5),
            ventricles=(ventricles * (1 - lopsided), ventricles * (1 + lopsided)),
            sulcal_depth=rng.uniform(15, 21),
            noise={
                "bend_x": Waves(rng, 18, 80, 12),
                "bend_y": Waves(rng, 18, 80, 12),
                "bend_z": Waves(rng, 18, 80, 12),
                "skull": Waves(rng, 60, 120, 8),
                "sulci": Waves(rng, 21, 30, 28),
                "furrows": Waves(rng, 14, 19, 28),
                "medial": Waves(rng, 20, 30, 20),
                "depth": Waves(rng, 20, 50, 10),
                "clouds": Waves(rng, 12, 40, 14),
                "strands": Waves(rng, 9, 18, 20),
                "vessels": Waves(rng, 9, 16, 16),
                "grain": Waves(rng, 5, 14, 18),
            },
        )

    def bend(self, points: np.ndarray, amount: float = 2.0) -> np.ndarray:
        """Points moved by a few millimetres, so that nothing inside is straight."""
        moved = [self.noise[f"bend_{axis}"](points) for axis in "xyz"]
        return points + amount * np.stack(moved)

    def vault(self, points: np.ndarray) -> np.ndarray:
        """Depth below the inner face of the skull, were it a closed egg."""
        x, y, z = points
        a, b, c = self.radii
        v = (y - CENTRE[1]) * (1 / b)
        waist = 1 - self.taper * np.clip(v, -1.2, 1.3)
        u = x / (a * waist)
        w = (z - CENTRE[2]) * (1 / c)
        n = self.squareness
        total = np.abs(u) ** n + np.abs(v) ** n + np.abs(w) ** n
        norm = total ** (1 / n) + np.float32(1e-3)
        slope = np.sqrt((u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2) / norm
        depth = (1 - norm) / (slope + np.float32(1e-3))
        return depth + 0.9 * self.noise["skull"](points)

    def petrous(self, points: np.ndarray) -> np.ndarray:
        """How far a point lies behind the ridge that bounds the posterior fossa."""
        x, y, _ = points
        return -13 - 0.62 * np.maximum(np.abs(x) - 12, 0) - y

    def floor(self, points: np.ndarray) -> np.ndarray:
        """Height above the skull base, with its three steps and the sella."""
        x, y, z = points
        across = np.abs(x)
        behind = self.petrous(points)
        front = rise(y - 25 + 0.02 * (across - 33) ** 2, 5.0)
        back = rise(behind, 5.0)
        roof = np.exp(-(((across - 30) / 17) ** 2) - ((y - 46) / 22) ** 2)
        anterior = -28 + 5 * rise(across - 14, 8.0) + 10 * roof
        middle = -42 + 9 * rise(14 - across, 4.0)
        posterior = -66 + 4 * (across / 30) ** 2
        level = back * posterior + (1 - back) * (middle + front * (anterior - middle))
        ridge = np.exp(-((behind / 8) ** 2)) * rise(across - 20, 5.0)
        level += 15 * ridge
        return (z - level) * 0.8

    def intracranial(self, points: np.ndarray) -> np.ndarray:
        """Depth below the dura: the vault cut by the skull base."""
        return common(self.vault(points), self.floor(points), 8.0)

    def tentorium(self, points: np.ndarray) -> np.ndarray:
        """Depth below the tentorium, which covers the cerebellum."""
        x, y, z = points
        level = 3 + 0.30 * (y + 40) - 0.40 * np.abs(x)
        return np.minimum((level - z) * 0.88, self.petrous(points) * 0.8)

    def head(self, points: np.ndarray, vault: np.ndarray) -> np.ndarray:
        """Depth below the skin: calvaria, face, nose and neck."""
        x, y, z = points
        across = np.abs(x)
        temple = np.exp(-(((z + 14) / 30) ** 2)) * np.exp(-(((y - 18) / 32) ** 2))
        thick = self.bone + self.fat + 3.0
        thick += 9 * temple * rise(across - 40, 10.0)
        calvaria = vault + thick
        mirrored = np.stack([across, y, z])
        face = ellipsoid(mirrored, (0, 34, -62), (62, 58, 78))
        cheek = ellipsoid(mirrored, (34, 56, -66), (26, 26, 30))
        nose = ellipsoid(mirrored, (0, 92, -62), (14, 20, 22))
        neck = 1 - np.sqrt((x / 58) ** 2 + ((y + 38) / 60) ** 2)
        neck = np.minimum(neck * 56, (-30 - z) * 0.7)
        lower = joined(joined(face, cheek, 12.0), nose, 10.0)
        return joined(joined(calvaria, lower, 22.0), neck, 28.0)
