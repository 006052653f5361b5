"""The one way in which maps change size, for every method and both networks.

Bilinear with half-pixel centres (a cell is the area it covers, not its corner), and
antialiased where a map shrinks. SciPy's `zoom`, which tf-keras-vis uses, puts the
corners of both grids on each other instead: on maps of 3x3 cells the two correlate at
only 0.93, so maps of two networks must never come one from each.
"""

import numpy as np


def resize_maps(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring maps to another size.

    Args:
        maps: Shape (B, h, w) or (B, h, w, C).
        size: The new (height, width).

    Returns:
        float32 array of shape (B, height, width) or (B, height, width, C).
    """
    maps = np.asarray(maps, np.float32)
    if maps.shape[1:3] == tuple(size):
        return maps
    import tensorflow as tf

    flat = maps.ndim == 3
    resized = tf.image.resize(
        maps[..., None] if flat else maps, size, "bilinear", antialias=True
    ).numpy()
    return resized[..., 0] if flat else resized


def normalise(maps: np.ndarray) -> np.ndarray:
    """Spread each map over 0..1; a constant map becomes zeros.

    Args:
        maps: Shape (B, h, w).

    Returns:
        float32 array of that shape.
    """
    # A map that is not finite stays so; only a constant one becomes zeros.
    maps = np.asarray(maps, np.float64)
    low = maps.min(axis=(1, 2), keepdims=True)
    spread = maps.max(axis=(1, 2), keepdims=True) - low
    return np.divide(
        maps - low, spread, out=np.zeros_like(maps), where=spread != 0
    ).astype(np.float32)
