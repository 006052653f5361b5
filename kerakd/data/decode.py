"""From a file to 8-bit pixels, the same way in training, audit and prediction.

Choices, so that nobody has to guess them:

- **Grey** is ITU-R 601 luma, `0.299 R + 0.587 G + 0.114 B`, as Pillow computes it.
- **Transparency** is composited on black, the background of a scan.
- **16-bit** grey is scaled by its full range (65535 becomes 255), never by the range
  of the one picture: equal pixels in two files stay equal. Pixels that Pillow holds
  in 32 bits (`I`, as 16-bit PNGs were read up to Pillow 11) are taken as 16-bit too;
  `F` and values outside 0..65535 are refused, since their scale is not known.
- **Animations** and multi-page files give their first frame.
- **EXIF orientation** is honoured, as in a photo viewer: a sideways upload from a
  phone has the pixels that its owner saw.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from kerakd.errors import DataError

# Grey scans of more than 8 bits. Pillow 12 and later name them I;16, older ones I.
_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


@contextmanager
def open_image(path: str | os.PathLike) -> Iterator[Image.Image]:
    """Open an image file; whatever is wrong with it becomes a `DataError`.

    Pixels are decoded by who uses the image, inside the `with` block, so that a
    truncated file is noticed there too.

    Args:
        path: The image file.

    Yields:
        The image at its first frame.

    Raises:
        DataError: The file is absent, empty, truncated, no image, or so large that it
            could be a decompression bomb.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                yield image
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly any type on bad bytes
        raise DataError(f"Cannot read {path}: {_reason(path, error)}.") from error


def _reason(path: Path, error: Exception) -> str:
    """Why an image cannot be read, in a few words."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder, an image file was expected"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        limit = Image.MAX_IMAGE_PIXELS // 10**6
        return f"it has more than {limit} million pixels (a decompression bomb?)"
    if path.exists() and path.stat().st_size == 0:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "its content is no image"
    return f"its pixels cannot be decoded ({str(error).splitlines()[0]})"


def decode(path: str | os.PathLike, channels: int) -> np.ndarray:
    """Read an image file as 8-bit pixels.

    Args:
        path: Any format and mode that Pillow reads: palette, transparency, CMYK, 1-bit
            and 16-bit files too (see the module's docstring for what becomes of them).
        channels: 3 for RGB, 1 for grey.

    Returns:
        A uint8 array of shape `(height, width, channels)`.

    Raises:
        DataError: The file cannot be read, or `channels` is neither 1 nor 3.

    Example:

    ```python
    pixels = kerakd.data.decode("Training/glioma/Tr-gl_0010.jpg", channels=3)
    pixels = kerakd.data.resize(pixels, (128, 128))
    ```
    """
    if channels not in (1, 3):
        raise DataError(f"channels must be 1 (grey) or 3 (RGB), not {channels!r}.")
    with open_image(path) as image:
        pixels = np.asarray(to_8_bit(image, "L" if channels == 1 else "RGB", path))
        return pixels.reshape(*pixels.shape[:2], channels)


def to_8_bit(image: Image.Image, mode: str, path: str | os.PathLike) -> Image.Image:
    """Convert an opened image of any mode to `"L"` or `"RGB"`.

    Args:
        image: The image as opened.
        mode: `"L"` or `"RGB"`.
        path: Its file, for the error text.

    Returns:
        The upright 8-bit image.

    Raises:
        DataError: The pixels have no known range.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode in _DEEP_MODES:
        image = _from_16_bit(image, path)
    elif image.mode == "F":
        raise DataError(
            f"Cannot read {path}: its pixels are floating-point numbers of unknown "
            "range; save it with 8 or 16 bits per channel."
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image).convert("RGB")
    elif mode == "L" and image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image.convert(mode)


def _from_16_bit(image: Image.Image, path: str | os.PathLike) -> Image.Image:
    """Scale 0..65535 to 0..255, rounding to nearest."""
    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise DataError(
            f"Cannot read {path}: its values span {pixels.min()} to {pixels.max()}, "
            "which is no 8- or 16-bit picture; save it with 8 or 16 bits per channel."
        )
    return Image.fromarray(((pixels * 255 + 32767) // 65535).astype(np.uint8))


def resize(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize 8-bit pixels, bilinear with antialiasing.

    Training, evaluation and prediction all resize here, so that their pixels agree.

    Args:
        array: uint8, shape `(height, width, channels)` with 1 or 3 channels.
        size: The new `(height, width)`.

    Returns:
        A uint8 array of shape `(*size, channels)`; `array` itself where it already has
        that size.
    """
    height, width = size
    if array.shape[:2] == (height, width):
        return array
    image = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(height, width, array.shape[-1])
