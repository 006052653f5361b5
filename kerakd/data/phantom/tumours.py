"""Tumours by class: where they grow, what they are made of, what they push away."""

from dataclasses import dataclass, field

import numpy as np

from kerakd.data.phantom.anatomy import CENTRE, Anatomy
from kerakd.data.phantom.fields import Waves, cover, ellipsoid, joined
from kerakd.data.phantom.tissues import Tissues

KINDS = ("glioma", "meningioma", "notumor", "pituitary")

# Labels as in BraTS 2018 to 2021.
NECROTIC, EDEMA, ENHANCING = 1, 2, 4
TUMOUR_CORE = (NECROTIC, ENHANCING)


@dataclass(frozen=True)
class Tumour:
    """One tumour, in millimetres of the patient's own frame.

    Attributes:
        kind: `"glioma"`, `"meningioma"` or `"pituitary"`.
        centre: Its middle.
        radius: Its mean radius.
        radii: Half axes; a meningioma's are two along the dura and one across.
        normal: Direction into the brain at a meningioma's base, else zero.
        rim: Thickness of the enhancing tissue around a core; infinite if solid.
        edema: How far edema reaches beyond the tumour; 0 if there is none.
        push: How strongly it moves the tissue around, 0 to 1.
        noise: Named smooth noise fields.
    """

    kind: str
    centre: np.ndarray
    radius: float
    radii: tuple[float, float, float]
    normal: np.ndarray
    rim: float
    edema: float
    push: float
    noise: dict[str, Waves] = field(repr=False)

    @classmethod
    def draw(cls, kind: str, anatomy: Anatomy, rng: np.random.Generator) -> "Tumour":
        """Draw a tumour of a class into a head.

        Args:
            kind: `"glioma"`, `"meningioma"` or `"pituitary"`.
            anatomy: The head that it grows in.
            rng: Where it is drawn from.

        Returns:
            The tumour; equal for equal arguments.
        """
        place = {
            "glioma": _place_glioma,
            "meningioma": _place_meningioma,
            "pituitary": _place_pituitary,
        }[kind]
        noise = {"shape": Waves(rng, 14, 34, 14), "patches": Waves(rng, 7, 16, 14)}
        return cls(kind=kind, noise=noise, **place(anatomy, rng))

    def shift(self, points: np.ndarray) -> np.ndarray:
        """Where the tissue now at `points` was before the tumour grew."""
        offset = points - np.float32(self.centre)[:, None]
        square = np.einsum("cn,cn->n", offset, offset)
        fall = np.exp(square * (-1 / (1.7 * self.radius) ** 2))
        return points - offset * (self.push * fall)

    def shape(self, points: np.ndarray, surface: np.ndarray) -> np.ndarray:
        """Depth inside the tumour without its edema.

        Args:
            points: Shape `(3, N)`.
            surface: Depth of these points below the dura, shape `(N,)`.
        """
        bumps = self.noise["shape"](points)
        if self.kind == "glioma":
            whole = ellipsoid(points, tuple(self.centre), self.radii)
            return np.minimum(whole + 0.17 * self.radius * bumps, surface - 3)
        if self.kind == "pituitary":
            x, y, z = map(float, self.centre)
            a, b, c = self.radii
            sella = ellipsoid(points, (0.3 * x, y, -37), (0.85 * a, b, 0.75 * b))
            above = ellipsoid(points, (x, y, z), (a, b, c))
            return joined(sella, above, 4.0) + 0.05 * self.radius * bumps
        offset = points - np.float32(self.centre)[:, None]
        height = np.einsum("c,cn->n", np.float32(self.normal), offset)
        across = offset - np.float32(self.normal)[:, None] * height
        across = np.sqrt(np.einsum("cn,cn->n", across, across))
        a, _, c = self.radii
        whole = (1 - np.hypot(across / a, height / c)) * min(a, c)
        side = np.sign(self.centre[0])
        whole = np.minimum(whole + 0.06 * self.radius * bumps, surface - 0.2)
        # It does not cross the falx.
        return np.minimum(whole, float(side) * points[0] + 0.5)

    def paint(
        self,
        points: np.ndarray,
        surface: np.ndarray,
        pixel: float,
        tissues: Tissues,
    ) -> np.ndarray:
        """Paint the tumour over the head and say what was painted.

        Args:
            points: All points, shape `(3, N)`.
            surface: Depth below the dura of every point.
            pixel: Width of a pixel in millimetres.
            tissues: Where to paint.

        Returns:
            uint8 labels of shape `(N,)`: 0 none, 1 necrotic core, 2 edema, 4
            enhancing; a pixel has a label where that tumour tissue fills most of it.
        """
        labels = np.zeros(points.shape[1], np.uint8)
        reach = 1.9 * max(self.radii) + 2.2 * self.edema + 8
        offset = points - np.float32(self.centre)[:, None]
        near = np.flatnonzero(np.abs(offset).max(axis=0) < reach)
        if not len(near):
            return labels
        points, surface = points[:, near], surface[near]
        inside = self.shape(points, surface)
        patches = self.noise["patches"](points)

        swollen = np.zeros(len(near), np.float32)
        if self.edema:
            spread = inside + self.edema * (1 + 0.45 * self.noise["shape"](points))
            open_to = tissues.mix({"white": 1.0, "deep": 0.8, "grey": 0.25})[near]
            swollen = cover(spread, 2 * pixel) * open_to * cover(surface - 2, pixel)
            tissues.put("edema", swollen, near)
        if self.kind == "meningioma":
            cleft = cover(inside + 1.2, pixel) * cover(surface - 1, pixel)
            tissues.put("csf", 0.7 * cleft, near)
            swollen = swollen * (1 - 0.7 * cleft)
            tail = np.abs(offset[:, near])
            tail = np.sqrt(np.einsum("cn,cn->n", tail, tail))
            tail = cover(1.55 * self.radius - tail, 6.0) * cover(2.0 - surface, pixel)
            tissues.put("tail", tail * cover(surface + 0.8, pixel), near)
        solid = cover(inside, pixel)
        tissues.put(self.kind, solid, near)
        rim = self.rim * (1 + 0.4 * np.clip(patches, -1.5, 1.5))
        core = cover(inside - rim, pixel)
        tissues.put("necrosis", core, near)
        if self.kind == "glioma":
            # Enhancement is uneven; weak patches are tumour all the same.
            weak = np.clip(0.3 * patches, 0, 0.25) * solid * (1 - core)
            tissues.put("deep", weak, near)

        shares = np.stack(
            [core, (1 - solid) * (1 - core) * swollen, solid * (1 - core)]
        )
        names = np.array([NECROTIC, EDEMA, ENHANCING], np.uint8)
        filled = shares.sum(axis=0) > 0.5
        labels[near[filled]] = names[shares[:, filled].argmax(axis=0)]
        return labels


def _depth_at(anatomy: Anatomy, point: np.ndarray) -> float:
    return float(anatomy.intracranial(np.float32(point).reshape(3, 1))[0])


def _place_glioma(anatomy: Anatomy, rng: np.random.Generator) -> dict:
    """White matter of a hemisphere, at least a few millimetres below the cortex."""
    radius = rng.uniform(9, 23)
    for _ in range(60):
        side = rng.choice((-1.0, 1.0))
        centre = np.array(
            [side * rng.uniform(16, 50), rng.uniform(-75, 48), rng.uniform(-28, 52)]
        )
        below = anatomy.tentorium(np.float32(centre).reshape(3, 1))[0]
        if _depth_at(anatomy, centre) > radius + 5 and below < -radius - 2:
            break
        radius = max(7.0, radius * 0.97)
    else:
        centre = np.array([side * 28.0, 5.0, 28.0])
    return {
        "centre": centre,
        "radius": radius,
        "radii": tuple(radius * rng.uniform(0.75, 1.25, 3)),
        "normal": np.zeros(3),
        "rim": radius * rng.uniform(0.18, 0.6),
        "edema": rng.uniform(4, 13),
        "push": rng.uniform(0.15, 0.4),
    }


def _place_meningioma(anatomy: Anatomy, rng: np.random.Generator) -> dict:
    """On the dura: a broad base on the skull's inner face, growing inward."""
    radius = rng.uniform(9, 22)
    while True:
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        if -0.45 < direction[2] < 0.88 and abs(direction[0]) > 0.08:
            break
    start = np.array(CENTRE)
    low, high = 20.0, 110.0
    for _ in range(24):
        middle = 0.5 * (low + high)
        if _depth_at(anatomy, start + middle * direction) > 0:
            low = middle
        else:
            high = middle
    base = start + low * direction
    step = 2.0 * np.eye(3)
    slope = [_depth_at(anatomy, base + s) - _depth_at(anatomy, base - s) for s in step]
    normal = np.array(slope) / np.linalg.norm(slope)
    height = radius * rng.uniform(0.8, 1.1)
    return {
        "centre": base + normal * height * rng.uniform(0.3, 0.65),
        "radius": radius,
        "radii": (radius, radius, height),
        "normal": normal,
        "rim": np.inf,
        "edema": rng.uniform(3, 9) * (rng.random() < 0.4),
        "push": rng.uniform(0.35, 0.6),
    }


def _place_pituitary(anatomy: Anatomy, rng: np.random.Generator) -> dict:
    """From the sella upward, near the midline."""
    radius = rng.uniform(7, 14)
    tall = radius * rng.uniform(0.8, 1.3)
    wide = radius * rng.uniform(0.8, 1.15)
    return {
        "centre": np.array([rng.normal(0, 1.8), rng.normal(3, 1), -34 + 0.55 * tall]),
        "radius": radius,
        "radii": (wide, radius * rng.uniform(0.75, 1.0), tall),
        "normal": np.zeros(3),
        "rim": radius * rng.uniform(0.4, 0.7) if rng.random() < 0.3 else np.inf,
        "edema": 0.0,
        "push": rng.uniform(0.3, 0.5),
    }
