"""`read_image(srgb=True)`: what `lic encode` makes of ICC profiles."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import data as skimage_data

from lic_lightning.data.images import read_image

RGB = skimage_data.astronaut()[:60, 100:180]


def swapped_profile() -> bytes:
    """A profile of a display whose red and blue primaries have changed places."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", profile, 128)[0]
    entries = {profile[132 + 12 * i : 136 + 12 * i].decode(): 132 + 12 * i for i in range(count)}
    red, blue = entries["rXYZ"], entries["bXYZ"]
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    text = bytes(profile)
    for encoding in ("ascii", "utf-16-be"):  # the description must not say what it is no more
        text = text.replace("sRGB".encode(encoding), "sBGR".encode(encoding))
    return text


def saved(path: Path, picture: Image.Image, profile: bytes) -> Path:
    """The path, with the picture in it."""
    picture.save(path, icc_profile=profile)
    return path


def pixels(path: Path) -> np.ndarray:
    """(H,W,3) values as encoding reads them."""
    return read_image(path, srgb=True).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_another_profile_is_converted(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / name, Image.fromarray(RGB), swapped_profile())
    assert np.abs(pixels(path).astype(int) - RGB[..., ::-1]).max() <= 2


def test_transparency_survives_the_conversion(tmp_path: Path) -> None:
    rgba = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
    rgba[:10, :, 3] = 0
    found = pixels(saved(tmp_path / "a.png", Image.fromarray(rgba), swapped_profile()))
    assert (found[:10] == 255).all()
    assert np.abs(found[10:].astype(int) - RGB[10:, :, ::-1]).max() <= 2


def test_srgb_stays_as_it_is(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(pixels(saved(tmp_path / "a.png", Image.fromarray(RGB), profile)), RGB)


def test_a_broken_profile_is_ignored(tmp_path: Path) -> None:
    np.testing.assert_array_equal(pixels(saved(tmp_path / "a.png", Image.fromarray(RGB), b"no profile" * 20)), RGB)


def test_orientation_is_applied_after_the_conversion(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=swapped_profile(), exif=exif)
    assert np.abs(pixels(tmp_path / "a.png").astype(int) - np.rot90(RGB[..., ::-1], -1)).max() <= 2


def test_data_sets_are_read_without(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(RGB), swapped_profile())
    np.testing.assert_array_equal(read_image(path).permute(1, 2, 0).numpy(), RGB)
