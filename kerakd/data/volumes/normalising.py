"""Where the brain is, and intensities that scanners agree on."""

import numpy as np
from scipy import ndimage

from kerakd.data.volumes.cases import CaseError
from kerakd.data.volumes.reading import CaseVolumes

# A stripped volume has this share of background at least, all of one value.
_STRIPPED = 0.05
# In a volume with its skull, whatever is below this share of its bright end is air.
_AIR = 0.1


def brain_mask(volumes: CaseVolumes) -> np.ndarray:
    """Where there is brain (or head, where the skull was left).

    The data's own mask, where they bring one. Otherwise the voxels that differ from the
    background in any modality: the background of a stripped volume is the one value of
    its corners, whether 0 or what a normalisation made of it. A volume whose background
    is noise is cut at a tenth of its 99th percentile, and holes in a slice are filled.

    Args:
        volumes: From `read_case`.

    Returns:
        bool `(slices, height, width)`.

    Raises:
        CaseError: Nothing is left.
    """
    if volumes.brain is not None:
        mask = volumes.brain
    else:
        channels = [volumes.images[..., i] for i in range(volumes.images.shape[-1])]
        found = [_stripped(channel) for channel in channels]
        if any(one is None for one in found):
            mask = np.logical_or.reduce([_above_air(channel) for channel in channels])
            mask = np.stack([ndimage.binary_fill_holes(one) for one in mask])
        else:
            mask = np.logical_or.reduce(found)
    if not mask.any():
        raise CaseError(
            volumes.case.id, "no brain can be found in it; look at its volumes"
        )
    return mask


def _stripped(volume: np.ndarray) -> np.ndarray | None:
    """What is not background; None where the background is not of one value."""
    corners = volume[:: volume.shape[0] - 1 or 1, :: volume.shape[1] - 1 or 1]
    corners = corners[..., :: volume.shape[2] - 1 or 1].ravel()
    values, counts = np.unique(corners, return_counts=True)
    background = values[counts.argmax()]
    inside = volume != background
    if 2 * counts.max() <= len(corners) or inside.mean() > 1 - _STRIPPED:
        return None
    return inside


def _above_air(volume: np.ndarray) -> np.ndarray:
    low = float(volume.min())
    high = float(np.percentile(volume, 99))
    return volume > low + _AIR * (high - low)


def normalise(
    volumes: CaseVolumes, brain: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean 0 and standard deviation 1 inside the brain, by modality; 0 outside.

    Volumes that were normalised before come out the same as raw ones: only the order
    and the distances of their values count.

    Args:
        volumes: From `read_case`.
        brain: bool `(slices, height, width)`; by default `brain_mask(volumes)`.

    Returns:
        float32 `(slices, height, width, channels)`, and the brain.

    Raises:
        CaseError: A modality is constant inside the brain, or there is no brain.
    """
    if brain is None:
        brain = brain_mask(volumes)
    result = np.zeros_like(volumes.images)
    for channel, name in enumerate(volumes.modalities):
        values = volumes.images[..., channel][brain]
        mean = values.mean(dtype=np.float64)
        spread = values.std(dtype=np.float64)
        if not spread > 1e-6 * max(1e-6, abs(mean)):
            raise CaseError(
                volumes.case.id,
                f"its {name} is {mean:g} everywhere in the brain; export it again",
            )
        result[..., channel][brain] = (values - mean) / spread
    return result, brain
