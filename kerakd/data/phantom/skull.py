"""What surrounds the brain: scalp, fat, muscle, skull, orbits, sinuses, vessels."""

import numpy as np

from kerakd.data.phantom.anatomy import Anatomy
from kerakd.data.phantom.fields import capsule, common, cover, ellipsoid, rise, sheet
from kerakd.data.phantom.tissues import Tissues

# Air-filled spaces: centre and half axes, mirrored in the midline.
_CAVITIES = (
    ((2, 18, -43), (12, 12, 8)),
    ((0, 44, -66), (10, 30, 15)),
    ((7, 48, -38), (6, 18, 9)),
    ((30, 46, -66), (13, 15, 14)),
    ((9, 76, -8), (12, 5, 9)),
    ((0, 2, -84), (11, 9, 24)),
)


def paint_head(
    anatomy: Anatomy,
    points: np.ndarray,
    head: np.ndarray,
    vault: np.ndarray,
    pixel: float,
    tissues: Tissues,
) -> np.ndarray:
    """Paint everything outside the dura, and the dura's own space as CSF.

    Args:
        anatomy: The person.
        points: Points of shape `(3, N)`.
        head: Their depth below the skin.
        vault: Their depth below the skull's inner face, were it closed.
        pixel: Width of a pixel in millimetres.
        tissues: Where to paint.

    Returns:
        Depth below the dura of every point, shape `(N,)`.
    """
    x, y, z = points
    mirrored = np.stack([np.abs(x), y, z])
    clouds = anatomy.noise["clouds"](points)
    floor = anatomy.floor(points)
    intracranial = common(vault, floor, 8.0)

    tissues.put("skin", cover(head, pixel))
    # The scalp's fat is even over the calvaria and lumpy over face and neck.
    low = rise(-18 - z - 0.25 * y, 12.0)
    fat = anatomy.fat + low * (0.5 + 2.5 * clouds)
    tissues.put("fat", cover(head - 1.6, pixel))
    tissues.put("muscle", cover(head - 1.6 - np.maximum(fat, 1.5), pixel))

    strands = anatomy.noise["strands"](points)
    inner = cover(head - 6, 4.0)
    # Below the skull base: long muscles with fat between them.
    muscles = anatomy.noise["strands"].distance(points * np.float32([[1], [1], [0.35]]))
    planes = sheet(muscles, np.clip(1.2 + 2 * clouds, 0.5, 5), pixel)
    tissues.put("fat", 0.7 * planes * inner * low)
    tissues.put("bone", 0.5 * np.clip((-strands - 1.2) * 2, 0, 1) * inner * low)

    thickness = anatomy.bone * (1 + 0.06 * clouds)
    shell = np.minimum(vault + thickness, floor + 2.5 + 2 * rise(20 - y, 8.0))
    tissues.put("bone", cover(shell, pixel))
    marrow = np.minimum(shell - 1.7, -intracranial - 1.3)
    calvaria = np.clip(0.7 + 0.25 * clouds, 0.1, 1) * rise(floor - 6, 6.0)
    base = np.clip(0.35 + 0.6 * strands, 0, 1) * rise(6 - floor, 6.0)
    tissues.put("marrow", cover(marrow, pixel) * np.clip(calvaria + base, 0, 1))

    _paint_face(anatomy, mirrored, pixel, tissues, strands, intracranial)
    tissues.put("dura", cover(intracranial + 0.8, pixel))
    tissues.put("csf", cover(intracranial - 0.4, pixel))
    return intracranial


def _paint_face(anatomy, points, pixel, tissues, strands, intracranial):
    """Clivus, orbits and air-filled spaces, where the slice reaches them."""
    z = points[2]
    below = np.flatnonzero((z < 14) & (intracranial < 0.5))
    if not len(below):
        return
    points, strands, z = points[:, below], strands[below], z[below]
    outside = cover(-intracranial[below], pixel)

    clivus = capsule(points, (0, -6, -40), (0, -24, -66), 6.0, 5.0)
    tissues.put("bone", cover(clivus + 1.5, pixel) * outside, below)
    tissues.put("marrow", cover(clivus, pixel) * outside, below)
    spine = np.minimum(capsule(points, (0, -28, -76), (0, -34, -140), 9, 9), -72 - z)
    tissues.put("bone", cover(spine + 1.5, pixel), below)
    tissues.put("marrow", cover(spine, pixel), below)
    canal = capsule(points, (0, -38, -60), (0, -50, -140), 9.0, 9.0)
    tissues.put("csf", cover(canal, pixel) * outside, below)
    tissues.put("white", cover(canal - 3.5, pixel) * outside, below)

    orbit = ellipsoid(points, (29, 48, -36), (17, 29, 16), 0.2)
    tissues.put("fat", cover(orbit, pixel) * outside, below)
    nerve = capsule(points, (30, 54, -36), (10, 20, -28), 2.2, 2.2)
    lateral = capsule(points, (44, 56, -36), (20, 22, -32), 2.4, 2.0)
    medial = capsule(points, (19, 58, -36), (14, 24, -32), 2.4, 2.0)
    cone = np.maximum(np.maximum(nerve, lateral), medial)
    tissues.put("muscle", cover(cone, pixel) * cover(orbit + 2, 3.0), below)
    eye = ellipsoid(points, (32, 62, -36), (12, 12, 12))
    tissues.put("muscle", cover(eye + 1.0, pixel), below)
    tissues.put("vitreous", cover(eye - 0.4, pixel), below)
    lens = ellipsoid(points, (33, 71, -36), (5, 2.2, 5))
    tissues.put("muscle", cover(lens, pixel), below)

    septa = sheet(5 * np.abs(strands), 1.6, pixel)
    for centre, radii in _CAVITIES:
        cavity = ellipsoid(points, centre, radii) + 0.8 * strands
        tissues.put("mucosa", cover(cavity + 1.6, pixel) * outside, below)
        tissues.put("air", cover(cavity, pixel) * (1 - 0.7 * septa) * outside, below)
    mastoid = ellipsoid(points, (54, -34, -46), (13, 15, 16)) + 2 * strands
    tissues.put("bone", cover(mastoid, pixel) * outside, below)
    nasal = ellipsoid(points, (5, 44, -68), (3, 26, 8)) + 0.8 * strands
    tissues.put("mucosa", cover(nasal, pixel) * outside, below)


def paint_vessels(
    anatomy: Anatomy,
    points: np.ndarray,
    surface: np.ndarray,
    pixel: float,
    tissues: Tissues,
) -> None:
    """Venous sinuses and arteries, bright after contrast and dark otherwise.

    Args:
        anatomy: The person.
        points: Points of shape `(3, N)`.
        surface: Their depth below the dura.
        pixel: Width of a pixel in millimetres.
        tissues: Where to paint.
    """
    where = np.flatnonzero(surface > -pixel)
    points, depth = points[:, where], surface[where]
    x, y, z = points
    across = np.abs(x)
    mirrored = np.stack([across, y, z])
    upper = rise(z + 10 + 0.3 * np.maximum(y, 0), 6.0)
    sagittal = 3.6 - np.maximum(depth, 0) - 1.1 * across
    vessels = np.where(upper > 0.5, sagittal, -9)
    tentorium = anatomy.tentorium(points)
    transverse = 3.0 - np.hypot(tentorium + 1, np.maximum(1.3 * depth, 0))
    vessels = np.maximum(vessels, np.where((y < -48) & (across > 3), transverse, -9))
    straight = capsule(points, (0, -42, 4), (0, -92, -12), 1.6, 2.0)
    carotid = capsule(mirrored, (13, -2, -40), (11, 6, -22), 2.4, 2.0)
    middle = capsule(mirrored, (11, 6, -21), (36, 6, -14), 1.7, 1.3)
    basilar = capsule(points, (0, -9, -40), (0, -10, -18), 1.8, 1.8)
    for vessel in (straight, carotid, middle, basilar):
        vessels = np.maximum(vessels, vessel)
    tissues.put("vessel", cover(vessels, pixel), where)
    gland = ellipsoid(points, (0, 3, -35), (6.5, 5.5, 4))
    stalk = capsule(points, (0, 3, -32), (0, -2, -14), 1.2, 1.2)
    tissues.put("gland", cover(np.maximum(gland, stalk), pixel), where)
    # Small veins in the sulci.
    twigs = anatomy.noise["vessels"](points)
    twigs = np.clip((twigs - 1.5) * 3, 0, 1) * tissues.share("csf")[where]
    tissues.put("vessel", twigs * cover(depth - 1, pixel), where)
