"""A phantom patient: a head, perhaps a tumour, a pose, a scanner, and its slices."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kerakd.data.phantom.anatomy import CENTRE, Anatomy
from kerakd.data.phantom.brain import paint_brain
from kerakd.data.phantom.fields import generator
from kerakd.data.phantom.signal import MODALITIES, Scanner
from kerakd.data.phantom.skull import paint_head, paint_vessels
from kerakd.data.phantom.tissues import Tissues
from kerakd.data.phantom.tumours import KINDS, Tumour
from kerakd.errors import DataError, nearest

PLANES = ("axial", "coronal", "sagittal")

# Unit vectors of a picture's columns, rows and through-plane axis. Pictures are shown
# as radiologists hang them: the patient's right on the left, the nose or crown on top.
_AXES = {
    "axial": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "coronal": ((-1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
}


@dataclass(frozen=True)
class Patient:
    """A head that slices are taken of; made by `phantom_patient`.

    Attributes:
        kind: The class: glioma, meningioma, notumor or pituitary.
        anatomy: The measures of the head.
        tumour: The tumour, or `None`.
        landmark: A tumour that is painted nowhere in a patient without one: slices are
            taken where it would have been, so that no class is told by the level of
            its slices.
        scanner: Contrast, noise and window.
        turn: Rotation of the head in the scanner, a 3 x 3 matrix.
        moved: Position of the head's middle in the scanner in millimetres.
        view: Width of the field of view in millimetres.
        key: What the patient was drawn from.
    """

    kind: str
    anatomy: Anatomy = field(repr=False)
    tumour: Tumour | None = field(repr=False)
    landmark: Tumour = field(repr=False)
    scanner: Scanner = field(repr=False)
    turn: np.ndarray = field(repr=False)
    moved: np.ndarray = field(repr=False)
    view: float
    key: tuple

    def in_head(self, points: np.ndarray) -> np.ndarray:
        """Points `(3, N)` of the scanner's frame in the frame of the anatomy."""
        offset = points - np.float32(self.moved)[:, None]
        turned = np.einsum("ij,jn->in", np.float32(self.turn.T), offset)
        return turned + np.float32(CENTRE)[:, None]

    def in_scanner(self, points: np.ndarray) -> np.ndarray:
        """Points `(3, N)` of the frame of the anatomy in the scanner's frame."""
        offset = points - np.float32(CENTRE)[:, None]
        turned = np.einsum("ij,jn->in", np.float32(self.turn), offset)
        return turned + np.float32(self.moved)[:, None]

    def render(
        self,
        grid: np.ndarray,
        shape: tuple[int, int],
        pixel: float,
        modalities: Sequence[str],
        slice_key: object,
        stripped: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Evaluate the head on one plane of points.

        Args:
            grid: Points in the scanner's frame, shape `(3, height * width)`.
            shape: Height and width.
            pixel: Width of a pixel in millimetres.
            modalities: Which of `MODALITIES`.
            slice_key: What tells this slice's noise from another's.
            stripped: Whether everything outside the brain is set to zero.

        Returns:
            Images `(len(modalities), height, width)` float32 with fat near 1, and
            labels `(height, width)` uint8.
        """
        points = self.in_head(grid)
        vault = self.anatomy.vault(points)
        head = self.anatomy.head(points, vault)
        # Around the head there is air, and nothing to work out.
        kept = np.flatnonzero(head > -pixel)
        points, head, vault = points[:, kept], head[kept], vault[kept]

        tissues = Tissues(len(kept))
        surface = paint_head(self.anatomy, points, head, vault, pixel, tissues)
        shift = self.tumour.shift if self.tumour else None
        paint_brain(self.anatomy, points, surface, pixel, tissues, shift)
        paint_vessels(self.anatomy, points, surface, pixel, tissues)
        labels = np.zeros(grid.shape[1], np.uint8)
        if self.tumour:
            labels[kept] = self.tumour.paint(points, surface, pixel, tissues)

        texture = self.anatomy.noise["grain"](points)
        images = np.empty((len(modalities), *shape), np.float32)
        for image, modality in zip(images, modalities, strict=True):
            image[...] = self.scanner.signal("air", modality)
            image.reshape(-1)[kept] = self.scanner.paint(
                tissues, points, modality, texture
            )
            noise = generator(*self.key, "noise", slice_key, modality)
            image[...] = self.scanner.measure(image, pixel, noise)
        if stripped:
            brain = labels > 0
            brain[kept] |= surface > 2
            images *= brain.reshape(shape)
        return images, labels.reshape(shape)

    def slice(
        self,
        position: float = 0.0,
        *,
        size: int = 128,
        modality: str = "t1ce",
        plane: str = "axial",
    ) -> tuple[np.ndarray, np.ndarray]:
        """One windowed slice and its mask.

        Args:
            position: Millimetres from the middle of the head along the plane's
                normal: to the crown, the nose or the right ear.
            size: Height and width in pixels.
            modality: One of `MODALITIES`.
            plane: One of `PLANES`.

        Returns:
            The image, uint8 `(size, size)`, and labels of the same shape: 0 none, 1
            necrotic core, 2 edema, 4 enhancing tumour.

        Raises:
            DataError: There is no such modality or plane.
        """
        known("modality", modality, MODALITIES)
        known("plane", plane, PLANES)
        pixel = self.view / size
        along = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5) * self.view
        across, down, through = np.float32(_AXES[plane])
        columns, rows = np.meshgrid(along, along)
        grid = across[:, None] * columns.ravel() + down[:, None] * rows.ravel()
        grid += (through * np.float32(position))[:, None]
        key = f"{plane}/{position:.4f}/{size}"
        images, labels = self.render(grid, (size, size), pixel, [modality], key)
        return self.scanner.window(images[0]), labels

    def positions(self, count: int, plane: str = "axial") -> list[float]:
        """Where `count` slices go that show the tumour, in order.

        A patient without a tumour is cut where one would have been.
        """
        rng = generator(*self.key, "positions", plane)
        steps = (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count - 0.5
        reach = 1.2 * self.landmark.radius
        return [self.middle(plane) + float(reach * step) for step in steps]

    def middle(self, plane: str = "axial") -> float:
        """The position of the slice through the middle of the tumour."""
        centre = self.in_scanner(np.float32(self.landmark.centre)[:, None])[:, 0]
        return float(centre[np.argmax(_AXES[plane][2])])


def phantom_patient(seed: int, kind: str, number: int = 0) -> Patient:
    """Draw a phantom patient.

    Args:
        seed: Any integer.
        kind: `"glioma"`, `"meningioma"`, `"notumor"` or `"pituitary"`.
        number: The patient's number under this seed.

    Returns:
        The patient, a pure function of the arguments.

    Raises:
        DataError: `kind` is none of the four.

    Example:

    ```python
    patient = kerakd.data.phantom.phantom_patient(seed=0, kind="meningioma")
    image, labels = patient.slice(patient.positions(1)[0], modality="t1ce")
    ```
    """
    known("kind", kind, KINDS)
    key = (seed, number, kind)
    anatomy = Anatomy.draw(generator(*key, "anatomy"))
    rng = generator(*key, "tumour")
    decoy = kind
    if kind == "notumor":
        decoy = rng.choice([k for k in KINDS if k != "notumor"])
    landmark = Tumour.draw(str(decoy), anatomy, rng)
    pose = generator(*key, "pose")
    return Patient(
        kind=kind,
        anatomy=anatomy,
        tumour=None if kind == "notumor" else landmark,
        landmark=landmark,
        scanner=Scanner.draw(generator(*key, "scanner")),
        turn=_rotation(*np.radians(pose.normal(0, (5, 3, 4)))),
        moved=pose.normal(0, 3, 3),
        view=pose.uniform(218, 250),
        key=key,
    )


def known(what: str, name: str, names: Sequence[str]) -> None:
    """Refuse a name that there is not.

    Raises:
        DataError: With the names nearest to it.
    """
    if name not in names:
        raise DataError(f"There is no phantom {what} {name!r}. {nearest(name, names)}")


def _rotation(pitch: float, yaw: float, roll: float) -> np.ndarray:
    def turn(angle, i, j):
        matrix = np.eye(3)
        matrix[i, i] = matrix[j, j] = np.cos(angle)
        matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
        return matrix

    return turn(pitch, 1, 2) @ turn(yaw, 0, 1) @ turn(roll, 0, 2)
