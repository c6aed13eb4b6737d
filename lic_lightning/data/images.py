"""From an image file to 8-bit RGB pixels: the one place that decodes.

plain 8-bit RGB   as stored, byte for byte what `Image.open(f).convert("RGB")` gives
grey              the value in all three channels
palette           its colours
alpha             composited on white (palette and colour-key transparency too)
16-bit grey       round(v / 257)
16-bit colour     the high byte, which is how Pillow, hence CompressAI, reads it
CMYK, YCCK        Pillow's plain conversion
EXIF orientation  applied: the picture stands upright
ICC profile       ignored: the stored numbers are taken as sRGB; `srgb=True` converts the colours (files for people)
animation         the first frame
32 bits, float    refused: their range is not defined
"""

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor


class CorruptImageError(ValueError):
    """A file that should be an image is broken, cut short or of an unusable kind; says which and why."""


def read_image(path: str | Path, srgb: bool = False) -> Tensor:
    """Decode a file to a (3, H, W) uint8 tensor, upright RGB; see the module's table for odd inputs.

    With `srgb`, colours are converted from the file's ICC profile to sRGB. Data sets are read without, as CompressAI
    reads them.

    Raises:
        FileNotFoundError: no such file.
        CorruptImageError: not an image, truncated, or of a kind without a defined 8-bit meaning.
    """
    data = Path(path).read_bytes()
    try:
        with Image.open(BytesIO(data)) as image:
            eight = _to_8_bits(image)
            rgb = _to_rgb(_to_srgb(eight) if srgb else eight)
    except UnidentifiedImageError as error:
        raise CorruptImageError(f"{path}: not an image in a known format ({len(data)} bytes)") from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        # What Pillow raises for a bad stream depends on the format, hence the list.
        raise CorruptImageError(f"{path}: {error}") from error
    return torch.from_numpy(np.array(rgb)).permute(2, 0, 1).contiguous()


def _to_8_bits(image: Image.Image) -> Image.Image:
    # Pillow opens 16-bit grey as I;16, before 10.3 as I for PNG; 16-bit colour it cuts to 8 bits by itself.
    if not image.mode.startswith("I;16") and (image.mode, image.format) != ("I", "PNG"):
        if image.mode in ("I", "F"):
            raise ValueError(f"32 bits a channel (Pillow mode {image.mode}) has no defined 8-bit range")
        return image
    values = np.asarray(image).astype(np.uint32)
    eight = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    eight.getexif().update(image.getexif())
    return eight


def _to_srgb(image: Image.Image) -> Image.Image:
    stored = image.info.get("icc_profile")
    if not stored:
        return image
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(stored))
        if "srgb" in ImageCms.getProfileDescription(profile).lower():
            return image  # a conversion would only add rounding
        if image.mode == "P" or (image.has_transparency_data and image.mode != "RGBA"):
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), image.mode, mode)
    except (OSError, ImageCms.PyCMSError):
        return image  # a profile that can't be read, or is not of this kind of picture: browsers ignore it too
    converted = transform.apply(image)
    converted.getexif().update(image.getexif())
    return converted


def _to_rgb(image: Image.Image) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
