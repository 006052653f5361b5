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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from kerakd.errors import DataError

# Grey scans of more than 8 bits.
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class ImageError(DataError):
    """One image file that cannot be used; `reason` says why, in a few words."""

    def __init__(self, path: str | os.PathLike, reason: str):
        super().__init__(f"Cannot read {path}: {reason}.")
        self.reason = reason


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn whatever Pillow raises on bad bytes into an `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:  # the decoders of Pillow raise nearly any type
        raise ImageError(path, _reason(path, error)) from error


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder, an image file was expected"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, Image.DecompressionBombError):
        return _too_large()
    if path.is_file() and path.stat().st_size == 0:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "its content is no image"
    first_line = (str(error) or type(error).__name__).splitlines()[0]
    return f"its pixels cannot be decoded ({first_line})"


def _too_large() -> str:
    millions = Image.MAX_IMAGE_PIXELS / 1e6
    return f"it has more than {millions:.3g} million pixels (a decompression bomb?)"


def open_image(path: str | os.PathLike) -> Image.Image:
    """Read an image file with all its pixels, upright, in the mode of the file.

    Args:
        path: The image file.

    Returns:
        The first frame, turned as its EXIF orientation says.

    Raises:
        ImageError: The file is absent, empty, truncated, no image, or so large that it
            could be a decompression bomb.
    """
    path = Path(path)
    with _naming(path), Image.open(path) as image:
        # Pillow only warns between once and twice its limit; here the limit holds.
        limit = Image.MAX_IMAGE_PIXELS
        if limit is not None and image.width * image.height > limit:
            raise ImageError(path, _too_large())
        image.load()
        return ImageOps.exif_transpose(image)


def to_8_bit(image: Image.Image, mode: str, path: str | os.PathLike) -> Image.Image:
    """Convert an image of any mode to 8-bit grey or RGB.

    Args:
        image: As `open_image` returned it.
        mode: `"L"` or `"RGB"`.
        path: Its file, for the error text.

    Returns:
        The image in `mode`.

    Raises:
        ImageError: The range of its pixels is not known.
    """
    path = Path(path)
    with _naming(path):
        if image.mode in DEEP_MODES:
            image = _from_16_bit(image, path)
        elif image.mode == "F":
            raise ImageError(
                path,
                "its pixels are floating-point numbers of unknown range; save it with "
                "8 or 16 bits per channel",
            )
        if image.has_transparency_data:
            image = image.convert("RGBA")
            black = Image.new("RGBA", image.size, (0, 0, 0, 255))
            image = Image.alpha_composite(black, image).convert("RGB")
        elif image.mode not in ("1", "L", "RGB"):
            image = image.convert("RGB")
        return image.convert(mode)


def _from_16_bit(image: Image.Image, path: Path) -> Image.Image:
    """Scale 0..65535 to 0..255, rounding to nearest."""
    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise ImageError(
            path,
            f"its values span {pixels.min()} to {pixels.max()}, which is no 8- or "
            "16-bit picture; save it with 8 or 16 bits per channel",
        )
    return Image.fromarray(((pixels * 255 + 32767) // 65535).astype(np.uint8))


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
    image = to_8_bit(open_image(path), "L" if channels == 1 else "RGB", path)
    return np.asarray(image).reshape(image.height, image.width, channels)


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
