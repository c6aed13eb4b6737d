"""Rows of classic codecs on the same images as the learned ones: what every reader knows by eye.

Rates are whole files, headers included, as these codecs have no other form; the metrics are this evaluation's own.
Pillow brings JPEG, WebP, JPEG 2000 and AVIF; HEIC and JPEG XL come with the extra `codecs`.
"""

import importlib
import io
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, features
from torch import Tensor

from lic_lightning.evaluation.image_row import pixel_digest, sides_and_rate
from lic_lightning.metrics.image import ImageMetric, measured

QUALITIES = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90)
RATIOS = (480, 240, 160, 120, 80, 60, 48, 32, 24, 16, 12, 8)


@dataclass(frozen=True)
class ClassicCodec:
    """How Pillow writes one format.

    Attributes:
        name: as curves are called.
        format: Pillow's name of it.
        needs: Pillow's feature, or the plugin's module, which registers the format when it is imported.
        fixed: Pillow's arguments whatever the setting.
        package: what has the format, Pillow or a plugin.
        settings: one RD point each; they stand in the column `lmbda`. JPEG 2000's are ratios to 24 bits a pixel.
    """

    name: str
    format: str
    needs: str
    fixed: dict[str, Any]
    package: str = "pillow"
    settings: tuple[float, ...] = QUALITIES

    def options(self, setting: float) -> dict[str, Any]:
        """Pillow's arguments for a setting."""
        return {**self.fixed, **({"quality_layers": [setting]} if self.format == "JPEG2000" else {"quality": setting})}


CODECS = {
    "jpeg": ClassicCodec("JPEG (Pillow)", "JPEG", "jpg", {"optimize": True, "subsampling": "4:2:0"}),
    # method 6 is the best it can do: on Kodak 6 % smaller than Pillow's default, in twice the time; always 4:2:0
    "webp": ClassicCodec("WebP (Pillow)", "WEBP", "webp", {"method": 6}),
    # A bare codestream of 9/7 wavelets, 4:4:4. Pillow's default leaves the colour transform out, which costs 4.5 dB at
    # 1 bpp on kodim05.
    "jpeg2000": ClassicCodec(
        "JPEG 2000 (OpenJPEG)",
        "JPEG2000",
        "jpg_2000",
        {"quality_mode": "rates", "irreversible": True, "mct": 1, "no_jp2": True},
        settings=RATIOS,
    ),
    "avif": ClassicCodec("AVIF (libaom, speed 6, 4:2:0)", "AVIF", "avif", {"speed": 6, "subsampling": "4:2:0"}),
    "heic": ClassicCodec("HEIC (x265, 4:2:0)", "HEIF", "pillow_heif.HeifImagePlugin", {"chroma": 420}, "pillow-heif"),
    # Colour at full resolution (XYB)
    "jpegxl": ClassicCodec("JPEG XL (effort 7)", "JXL", "pillow_jxl", {"effort": 7}, "pillow-jxl-plugin"),
}


class ClassicError(ValueError):
    """A classic codec that is not known; the message lists those that are."""


def check(names: Iterable[str]) -> None:
    """Raises ClassicError for a name that CODECS lacks."""
    if unknown := [name for name in names if name not in CODECS]:
        raise ClassicError(f"evaluation.classic: unknown codecs {unknown}; known: {', '.join(CODECS)}")


def is_here(name: str) -> bool:
    """True if this machine's Pillow, or an installed plugin, writes the format."""
    codec = CODECS[name]
    if codec.package == "pillow":
        return codec.needs in features.get_supported()
    return find_spec(codec.needs.partition(".")[0]) is not None


def identity(name: str) -> list[Any]:
    """What the rows of a codec depend on besides the images."""
    codec = CODECS[name]
    return [codec.format, version(codec.package), [codec.options(setting) for setting in codec.settings]]


def classic_rows(image: Tensor, format: str, metrics: Mapping[str, ImageMetric]) -> list[dict[str, Any]]:
    """One row per setting of an image, uint8 (3,H,W), in the schema of `results`, with role "classic"."""
    pixels = image.permute(1, 2, 0).numpy()
    return [classic_row(pixels, format, setting, metrics) for setting in CODECS[format].settings]


def classic_row(
    pixels: NDArray[np.uint8], format: str, setting: float, metrics: Mapping[str, ImageMetric]
) -> dict[str, Any]:
    """The row of one image, uint8 (H,W,3), coded by Pillow; see `metrics.build_metrics`."""
    codec = CODECS[format]
    if codec.package != "pillow":
        importlib.import_module(codec.needs)
    height, width = pixels.shape[:2]
    start = time.perf_counter()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=codec.format, **codec.options(setting))
    encoded = time.perf_counter()
    decoded = np.asarray(Image.open(buffer).convert("RGB"))
    decode_s = time.perf_counter() - encoded
    return {
        "role": "classic",
        "cell": f"classic-{format}",
        "curve": f"classic-{format}",
        "curve_name": codec.name,
        "codec": format,
        **dict.fromkeys(("category", "freeze", "objective", "decoder_fingerprint"), ""),
        **dict.fromkeys(("reference", "bpp_estimated", "withheld")),
        "lmbda": float(setting),
        "seed": 0,
        **sides_and_rate(height, width, [len(buffer.getvalue())], len(buffer.getvalue())),
        **measured(metrics, _tensor(pixels), _tensor(decoded)),
        "encode_s": encoded - start,
        "decode_s": decode_s,
        "digest": pixel_digest(_tensor(decoded)),
        "domain": "8bit",
    }


def _tensor(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).unsqueeze(0).float()
