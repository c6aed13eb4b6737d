"""What read_image makes of each kind of file."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lic_lightning.data import CorruptImageError, read_image

RGB = np.random.default_rng(1).integers(0, 256, (9, 13, 3), dtype=np.uint8)


def pixels(path: Path) -> np.ndarray:
    return read_image(path).permute(1, 2, 0).numpy()


def png(values: np.ndarray, color_type: int) -> bytes:
    """A 16-bit PNG, which Pillow cannot write in colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a.tif"])
def test_plain_rgb_is_what_compressai_reads(tmp_path, name):
    Image.fromarray(RGB).save(tmp_path / name)
    np.testing.assert_array_equal(pixels(tmp_path / name), np.asarray(Image.open(tmp_path / name).convert("RGB")))


def test_result_is_uint8_channels_first(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.dtype == torch.uint8
    assert image.shape == (3, 9, 13)
    assert image.is_contiguous()


def test_grey_fills_three_channels(tmp_path):
    Image.fromarray(RGB[..., 0]).save(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), np.repeat(RGB[..., :1], 3, axis=2))


def test_palette_gives_its_colours(tmp_path):
    palette = Image.fromarray(RGB).quantize(16)
    palette.save(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), np.asarray(palette.convert("RGB")))


def test_alpha_is_composited_on_white(tmp_path):
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = 0, 128, 255
    Image.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels(tmp_path / "a.png")[0, :, 0], [255, 127, 0])


def test_transparent_palette_entry_is_white(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "a.png", transparency=0)
    assert pixels(tmp_path / "a.png").tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_16_bit_grey_rounds_by_257(tmp_path):
    values = np.array([[0, 128, 129, 65406, 65407, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png")[0, :, 1].tolist() == [0, 0, 1, 254, 255, 255]


def test_16_bit_colour_keeps_the_high_byte(tmp_path):
    values = np.array([[[129, 255, 256], [65279, 65280, 65535]]], np.uint16)
    (tmp_path / "a.png").write_bytes(png(values, color_type=2))
    assert pixels(tmp_path / "a.png").tolist() == [[[0, 0, 1], [254, 255, 255]]]


@pytest.mark.parametrize(("channels", "color_type"), [(2, 4), (4, 6)])
def test_16_bit_alpha_is_composited_on_white(tmp_path, channels, color_type):
    (tmp_path / "a.png").write_bytes(png(np.zeros((1, 1, channels), np.uint16), color_type))
    assert pixels(tmp_path / "a.png").tolist() == [[[255, 255, 255]]]


def test_cmyk_is_pillows_plain_conversion(tmp_path):
    cmyk = Image.fromarray(RGB).convert("CMYK")
    cmyk.save(tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels(tmp_path / "a.tif"), np.asarray(cmyk.convert("RGB")))


def test_exif_rotation_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), np.rot90(RGB, -1))


def test_exif_rotation_of_16_bit_grey(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB[..., 0].astype(np.uint16) * 257).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(pixels(tmp_path / "a.png")[..., 0], np.rot90(RGB[..., 0], -1))


def test_icc_profile_is_ignored(tmp_path):
    from PIL import ImageCms

    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=lab)
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), RGB)


def test_float_image_is_refused(tmp_path):
    Image.fromarray(RGB[..., 0].astype(np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(CorruptImageError, match=r"a\.tif: 32 bits"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif"])
def test_truncated_file_is_named(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptImageError, match=name):
        read_image(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(CorruptImageError, match=r"a\.jpg: not an image"):
        read_image(tmp_path / "a.jpg")


def test_a_missing_file_is_not_called_corrupt(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "a.png")
