"""Every kind of file that Pillow reads becomes the 8-bit pixels that the docs say."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import kerakd.data
from kerakd.data.decode import decode, open_image, resize
from kerakd.errors import DataError

RED, BLUE = (255, 0, 0), (0, 0, 255)


def save(tmp_path, image, name="x.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def test_the_package_gives_the_function_whatever_was_imported_first():
    assert kerakd.data.decode is decode
    assert kerakd.data.resize is resize


def test_rgb_and_grey_are_exact(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    path = save(tmp_path, Image.fromarray(rgb))
    np.testing.assert_array_equal(decode(path, 3), rgb)
    grey = decode(path, 1)
    assert grey.shape == (9, 11, 1) and grey.dtype == np.uint8
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[..., 0] - luma).max() <= 0.51


def test_a_grey_file_has_three_equal_channels(tmp_path):
    grey = np.arange(96, dtype=np.uint8).reshape(8, 12)
    rgb = decode(save(tmp_path, Image.fromarray(grey)), 3)
    assert (rgb == grey[..., None]).all()


def test_palette_and_one_bit(tmp_path):
    image = Image.new("RGB", (8, 8), RED)
    image.paste(BLUE, (4, 0, 8, 8))
    palette = save(tmp_path, image.quantize(4), "p.png")
    assert Image.open(palette).mode == "P"
    np.testing.assert_array_equal(decode(palette, 3)[0, [0, 7]], [RED, BLUE])
    bits = np.eye(8, dtype=bool)
    one_bit = save(tmp_path, Image.fromarray(bits), "1.png")
    assert Image.open(one_bit).mode == "1"
    np.testing.assert_array_equal(decode(one_bit, 1)[..., 0], bits * 255)


@pytest.mark.parametrize(
    ("mode", "name"), [("RGBA", "x.png"), ("LA", "x.png"), ("RGBA", "x.tif")]
)
def test_transparency_is_composited_on_black(tmp_path, mode, name):
    image = Image.new("LA", (8, 8), (200, 255))
    image.paste((200, 0), (0, 0, 4, 8))
    image.paste((200, 128), (4, 0, 8, 4))
    pixels = decode(save(tmp_path, image.convert(mode), name), 1)[..., 0]
    assert (pixels[:, :4] == 0).all()
    assert (np.abs(pixels[:4, 4:].astype(int) - 100) <= 1).all()
    assert (pixels[4:, 4:] == 200).all()


def test_a_transparent_palette_colour_is_black(tmp_path):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([9, 9, 9, *RED])
    path = save(tmp_path, image, transparency=1)
    assert (decode(path, 3) == 0).all()


def test_cmyk(tmp_path):
    path = save(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "x.jpg")
    assert Image.open(path).mode == "CMYK"
    assert np.abs(decode(path, 3).astype(int) - RED).max() <= 3
    assert decode(path, 1).shape == (8, 8, 1)


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_16_bit_is_scaled_by_its_full_range(tmp_path, name):
    deep = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    path = save(tmp_path, Image.fromarray(deep), name)
    np.testing.assert_array_equal(decode(path, 1).ravel(), np.arange(256))
    # Equal values in two files stay equal, whatever else the files hold.
    half = save(tmp_path, Image.fromarray(deep // 2), "half_" + name)
    assert decode(half, 3).max() == 127


def test_32_bit_is_taken_as_16_bit_where_it_fits(tmp_path):
    values = np.full((8, 8), 65535, np.int32)
    path = save(tmp_path, Image.fromarray(values), "x.tif")
    assert Image.open(path).mode == "I"
    assert (decode(path, 1) == 255).all()
    path = save(tmp_path, Image.fromarray(values + 1), "y.tif")
    with pytest.raises(DataError, match=r"y\.tif.*65536"):
        decode(path, 1)


def test_floating_point_is_refused(tmp_path):
    path = save(tmp_path, Image.fromarray(np.ones((8, 8), np.float32)), "x.tif")
    with pytest.raises(DataError, match="floating-point"):
        decode(path, 3)


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    path = save(tmp_path, frames[0], "x.gif", save_all=True, append_images=frames[1:])
    assert (decode(path, 3) == RED).all()


def test_exif_orientation_is_honoured(tmp_path):
    image = Image.new("RGB", (16, 8), BLUE)
    image.paste(RED, (0, 0, 4, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    pixels = decode(save(tmp_path, image, exif=exif), 3)
    assert pixels.shape == (16, 8, 3)
    np.testing.assert_array_equal(pixels[[0, -1], 0], [RED, BLUE])


def test_names_with_spaces_accents_and_upper_case(tmp_path):
    image = Image.new("L", (8, 8), 7)
    path = save(tmp_path, image, "tumeur n° 1 é.PNG")
    assert (decode(path, 1) == 7).all()


def png_bytes():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


def jpeg_bytes():
    file = io.BytesIO()
    Image.open(io.BytesIO(png_bytes())).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<html>not found</html>", "content is no image"),
        (png_bytes()[:2000], "cannot be decoded"),
        (jpeg_bytes()[:1500], "cannot be decoded"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "cannot be decoded|no image"),
    ],
)
def test_bad_files_are_named_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"bad\.jpg: .*({reason})"):
        decode(path, 3)


def test_absent_files_and_folders(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        decode(tmp_path / "absent.png", 3)
    with pytest.raises(DataError, match="it is a folder"):
        decode(tmp_path, 3)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 30_000])
def test_a_decompression_bomb_is_refused(tmp_path, side):
    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(DataError, match=r"bomb\.png.*million pixels"):
        decode(path, 1)


def test_only_one_or_three_channels(tmp_path):
    with pytest.raises(DataError, match=r"channels must be 1 .* or 3"):
        decode(tmp_path / "x.png", 4)


def test_the_file_is_closed_and_keeps_its_mode(tmp_path):
    path = save(tmp_path, Image.new("CMYK", (9, 8)), "x.jpg")
    image = open_image(path)
    assert image.mode == "CMYK" and image.size == (9, 8)
    path.unlink()
    assert image.getpixel((0, 0)) is not None


@pytest.mark.parametrize("channels", [1, 3])
def test_resize_averages_when_it_shrinks(channels):
    board = np.indices((64, 64)).sum(0) % 2 * 200
    board = np.repeat(board[..., None].astype(np.uint8), channels, axis=-1)
    small = resize(board, (16, 8))
    assert small.shape == (16, 8, channels) and small.dtype == np.uint8
    # Without antialiasing a checkerboard would give 0 or 200.
    assert np.abs(small.astype(int) - 100).max() <= 5


def test_resize_leaves_the_right_size_alone():
    array = np.zeros((5, 7, 3), np.uint8)
    assert resize(array, (5, 7)) is array
