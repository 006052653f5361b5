"""The brain: a folded cortex, white matter, deep nuclei, ventricles, cerebellum.

The cortex is found by depth. Sulci are sheets that hang from the surface, where a
noise field of the surface point is zero; grey matter is what lies within the cortex's
thickness of the surface or of such a sheet, white matter what lies deeper.
"""

from collections.abc import Callable

import numpy as np

from kerakd.data.phantom.anatomy import CENTRE, Anatomy
from kerakd.data.phantom.fields import capsule, cover, ellipsoid, joined, rise, sheet
from kerakd.data.phantom.tissues import Tissues

# One lateral ventricle as a chain of rods: start, end, first and last radius.
_VENTRICLE = (
    ((13, 35, -1), (8, 22, 8), 3.0, 5.5),
    ((8, 22, 8), (7, 2, 16), 5.5, 5.0),
    ((7, 2, 16), (13, -26, 21), 5.0, 5.5),
    ((13, -26, 21), (25, -43, 12), 5.5, 7.0),
    ((25, -43, 12), (23, -68, 3), 6.0, 2.0),
    ((27, -40, 8), (37, -27, -8), 6.0, 3.5),
    ((37, -27, -8), (33, -8, -19), 3.5, 2.5),
)


def paint_brain(
    anatomy: Anatomy,
    points: np.ndarray,
    surface: np.ndarray,
    pixel: float,
    tissues: Tissues,
    shift: Callable[[np.ndarray], np.ndarray] | None = None,
) -> None:
    """Paint everything inside the dura.

    Args:
        anatomy: The person.
        points: Points of shape `(3, N)`.
        surface: Depth below the dura of every point, shape `(N,)`.
        pixel: Width of a pixel in millimetres.
        tissues: Where to paint.
        shift: What moves points to where their tissue came from (mass effect);
            a function from points to points.
    """
    where = np.flatnonzero(surface > -pixel)
    outer = points[:, where]
    depth = surface[where]
    inner = anatomy.bend(outer)
    if shift is not None:
        inner = shift(inner)
    x, y, z = inner
    mirrored = np.stack([np.abs(x), y, z])

    stem = _stem(inner, mirrored)
    cistern = _cistern(inner, stem)
    below = anatomy.tentorium(inner)
    gap = 1.2 + 1.2 * anatomy.atrophy + 0.5 * anatomy.noise["depth"](outer)
    shell = depth - gap

    callosum = _callosum(inner)
    cerebrum = np.minimum(np.minimum(shell, -below - 0.3), -cistern)
    crust = np.minimum(shell, -below)
    crevice, pial, notch = _fold(anatomy, inner, mirrored, crust, callosum, pixel)
    cerebrum = np.minimum(cerebrum, shell - notch)
    inside = cover(cerebrum, pixel) * (1 - crevice)
    deep = np.minimum(cerebrum, pial)
    tissues.put("grey", inside, where)
    white = cover(deep - anatomy.cortex, pixel) * inside
    tissues.put("white", white, where)

    _paint_deep(anatomy, inner, mirrored, pixel, tissues, where, white)
    _paint_cerebellum(anatomy, inner, shell, below, stem, pixel, tissues, where)
    bundle = 0.75 + 0.1 * anatomy.noise["strands"](inner)
    tissues.put("white", bundle * cover(np.minimum(stem, depth - 1), pixel), where)
    _paint_ventricles(anatomy, inner, mirrored, pixel, tissues, where)

    falx = sheet(np.abs(x), 1.3, pixel) * cover(callosum - 9, pixel) * rise(z + 8, 4.0)
    tissues.put("dura", falx * cover(-below, pixel), where)
    tent = sheet(np.abs(below), 1.3, pixel) * cover(-stem - 4, pixel)
    tissues.put("dura", tent * cover(anatomy.petrous(inner) + 2, pixel), where)


def _stem(points, mirrored):
    """Midbrain, pons, medulla and the peduncles that hold the cerebellum."""
    midbrain = capsule(mirrored, (6, -20, -2), (4, -20, -18), 11.0, 11.0)
    pons = ellipsoid(points, (0, -23, -32), (17, 13, 15))
    medulla = capsule(points, (0, -30, -44), (0, -38, -84), 9.0, 7.0)
    arms = capsule(mirrored, (10, -30, -33), (22, -46, -38), 8.0, 6.0)
    return joined(joined(midbrain, joined(pons, medulla, 5.0), 5.0), arms, 4.0)


def _cistern(points, stem):
    """CSF around the stem and above the sella."""
    suprasellar = ellipsoid(points, (0, 4, -21), (15, 11, 10))
    ambient = np.minimum(stem + 3.2, -6 - points[2])
    galen = ellipsoid(points, (0, -42, -4), (9, 7, 9))
    return np.maximum(np.maximum(suprasellar, ambient), galen)


def _callosum(points):
    """How far a point lies outside the midline structures, in the sagittal plane."""
    y = (points[1] + 7) / 40
    z = (points[2] - 6) / 24
    return (np.sqrt(y * y + z * z) - 1) * 30


def _fold(anatomy, points, mirrored, depth, callosum, pixel):
    """Sulci: how much of a pixel they fill, and the distance to the nearest."""
    noise = anatomy.noise
    centre = np.float32(CENTRE)[:, None]
    arm = points - centre
    a, b, c = anatomy.radii
    norm = np.sqrt((arm[0] / a) ** 2 + (arm[1] / b) ** 2 + (arm[2] / c) ** 2)
    anchor = centre + arm / np.maximum(norm, 0.25)
    # Part of the way to the surface point: a sulcus then leans and curves on its way.
    anchor = 0.75 * anchor + 0.25 * points
    anchor = anchor + 1.5 * noise["clouds"](points)
    extent = 1 + 0.3 * noise["depth"](points)
    wide = 0.4 + 1.4 * anatomy.atrophy
    opening = wide * (0.6 + 1.0 * np.exp(np.minimum(-depth, 0) / 5))

    # Sulci end before the middle, where all directions meet.
    centred = 70 * (0.5 - norm)

    def hang(distance, length):
        beyond = np.maximum(np.maximum(depth - length, centred), 0)
        return np.hypot(distance, beyond)

    primary = hang(noise["sulci"].distance(anchor), anatomy.sulcal_depth * extent)
    secondary = hang(noise["furrows"].distance(anchor), 7 * extent)
    pial = np.minimum(primary - 0.5 * opening, secondary - 0.35 * opening)
    crevice = np.maximum(
        sheet(primary, opening, pixel), sheet(secondary, 0.7 * opening, pixel)
    )

    notch = (1 + 2 * anatomy.atrophy) * np.exp(-((primary / 3) ** 2))

    across, y, z = mirrored
    # The fissure between the hemispheres, down to the corpus callosum.
    midline = np.hypot(across, np.maximum(-callosum, 0))
    medial = noise["medial"].distance(np.stack([8 * np.sign(points[0]), y, z]))
    medial = np.hypot(medial, np.maximum(midline - 9 * extent, 0))
    medial = np.hypot(medial, np.maximum(2 - callosum, 0))
    limbic = np.hypot(callosum - 1, np.maximum(across - 9, 0))
    # The Sylvian fissure and, at its floor, the insula.
    slope = (z + 4 + 0.5 * y - 0.35 * (across - 37)) * 0.84 + 2 * noise["clouds"](
        points
    )
    lateral = np.hypot(
        slope, np.maximum(np.maximum(37 - across, 0), np.maximum(y - 22, -36 - y))
    )
    insula = np.hypot(
        across - 38 + 0.1 * np.abs(y - 4),
        np.maximum(np.maximum(np.abs(z - 2 + 0.3 * y) - 14, np.abs(y - 3) - 17), 0),
    )
    for distance, width in (
        (midline, 0.5 + wide),
        (medial, 0.7 * opening),
        (limbic, 0.7 * wide),
        (lateral, 0.8 + 1.5 * wide),
        (insula, 0.6 + 1.2 * wide),
    ):
        pial = np.minimum(pial, distance - 0.5 * width)
        crevice = np.maximum(crevice, sheet(distance, width, pixel))
    return crevice, pial, notch


def _paint_deep(anatomy, points, mirrored, pixel, tissues, where, white):
    """Thalamus, caudate, putamen, pallidum, hippocampus."""
    nuclei = (
        ("grey", (13, 15, 7), (6, 12, 9), -0.1),
        ("grey", (15, -4, 20), (3.5, 14, 3.5), 0.0),
        ("grey", (27, 3, 2), (5.5, 16, 10), -0.3),
        ("deep", (20, -3, 0), (4.5, 9.5, 6), -0.35),
        ("deep", (11, -18, 8), (9.5, 14, 9.5), -0.25),
        ("grey", (29, -16, -17), (5, 13, 5), 0.2),
    )
    for name, centre, radii, shear in nuclei:
        shape = ellipsoid(mirrored, centre, radii, shear)
        tissues.put(name, cover(shape, 1.6 * pixel), where)
    claustrum = np.hypot(mirrored[0] - 33.5, np.maximum(np.abs(points[1] - 3) - 13, 0))
    claustrum = np.hypot(claustrum, np.maximum(np.abs(points[2] - 2) - 8, 0))
    tissues.put("grey", 0.7 * sheet(claustrum, 1.2, pixel) * white, where)


def _paint_cerebellum(anatomy, points, shell, below, stem, pixel, tissues, where):
    """Two hemispheres and the vermis, in folia around a white core."""
    near = np.flatnonzero(below > -pixel)
    if not len(near):
        return
    x, y, z = points[:, near]
    depth = np.minimum(np.minimum(shell[near], below[near] - 0.5), -stem[near] - 0.8)
    bumps = anatomy.noise["depth"](points[:, near])
    # Fissures are shells around the fourth ventricle, leaning backward.
    shells = np.hypot(x, y + 22) + 0.5 * z + 2.5 * bumps
    furrow = np.abs(shells - 4.2 * np.round(shells / 4.2)) * 0.9
    furrow += 0.5 * np.maximum(anatomy.noise["furrows"](points[:, near]), 0)
    furrow = np.hypot(furrow, np.maximum(depth - 9 - 3 * bumps, 0))
    vermis = np.hypot(x, np.maximum(depth - 6, 0))
    furrow = np.minimum(furrow, vermis)
    wide = 0.5 + 0.7 * anatomy.atrophy
    inside = cover(depth, pixel) * (1 - 0.5 * sheet(furrow, wide, pixel))
    tissues.put("grey", inside, where[near])
    deep = np.minimum(depth, furrow)
    core = cover(deep - 1.9, pixel) * rise(depth - 3, 3.0) * inside
    tissues.put("white", 0.85 * core, where[near])


def _paint_ventricles(anatomy, points, mirrored, pixel, tissues, where):
    """Lateral ventricles with choroid plexus, third, aqueduct and fourth."""
    size = np.where(points[0] > 0, anatomy.ventricles[1], anatomy.ventricles[0])
    lateral = None
    for start, end, first, last in _VENTRICLE:
        rod = capsule(mirrored, start, end, first, last)
        rod += (size - 1) * (0.5 * (first + last))
        lateral = rod if lateral is None else joined(lateral, rod, 3.0)
    caudate = ellipsoid(mirrored, (14, 15, 7), (6, 13, 9), -0.1)
    thalamus = ellipsoid(mirrored, (11, -18, 7), (9.5, 14, 9), -0.25)
    lateral = np.minimum(lateral, -np.maximum(caudate, thalamus) + 0.5)
    lateral = np.minimum(lateral, mirrored[0] - 0.9)
    tissues.put("csf", cover(lateral, pixel), where)
    plexus = capsule(mirrored, (25, -40, 11), (15, -26, 18), 2.6, 1.2)
    tissues.put("choroid", cover(np.minimum(plexus, lateral), pixel) * 0.8, where)

    slit = 0.9 + 1.8 * anatomy.atrophy
    third = np.hypot((points[1] + 9) / 15, points[2] / 11)
    third = np.minimum((1 - third) * 11, slit - mirrored[0])
    fourth = ellipsoid(points, (0, -42, -33), (6 + 3 * anatomy.atrophy, 5, 10))
    aqueduct = capsule(points, (0, -28, -4), (0, -38, -24), 1.0, 1.2)
    middle = np.maximum(np.maximum(third, fourth), aqueduct)
    tissues.put("csf", cover(middle, pixel), where)
