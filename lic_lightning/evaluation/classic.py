"""Rows of Pillow's JPEG and WebP on the same images as the learned codecs: what every reader knows by eye.

Rates are whole files, headers included, as these codecs have no other form; PSNR and MS-SSIM are this
evaluation's own.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lic_lightning.evaluation.metrics import ms_ssim_rgb, psnr, to_db

Format = Literal["jpeg", "webp"]
FORMATS: tuple[Format, ...] = ("jpeg", "webp")
QUALITIES = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90)
OPTIONS: dict[str, dict[str, Any]] = {
    "jpeg": {"optimize": True, "subsampling": "4:2:0"},
    "webp": {"method": 6},  # the best it can do: on Kodak 6 % smaller than Pillow's default, in twice the time
}


def classic_rows(
    images: Iterable[tuple[str, NDArray[np.uint8]]],
    test_set: str,
    test_set_digest: str,
    formats: Sequence[Format] = FORMATS,
    qualities: Sequence[int] = QUALITIES,
) -> list[dict[str, Any]]:
    """One row per image, format and quality, in the schema of `results`, with role "classic".

    Args:
        images: (name, uint8 array (H,W,3)) pairs.
        test_set: name of the test set.
        test_set_digest: its content identity, as in the learned codecs' rows on the same images.
        formats: subset of "jpeg", "webp".
        qualities: Pillow's quality settings, 1 to 95; they stand in the column `lmbda`.
    """
    return [
        {
            "test_set": test_set,
            "test_set_digest": test_set_digest,
            "image": name,
            **classic_row(pixels, format, quality),
        }
        for name, pixels in images
        for format in formats
        for quality in qualities
    ]


def classic_row(pixels: NDArray[np.uint8], format: Format, quality: int) -> dict[str, Any]:
    """The row of one image, uint8 (H,W,3), coded by Pillow; ms_ssim is None for a side under 161 pixels."""
    height, width = pixels.shape[:2]
    start = time.perf_counter()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=format, quality=quality, **OPTIONS[format])
    encoded = time.perf_counter()
    decoded = np.asarray(Image.open(buffer).convert("RGB"))
    decode_s = time.perf_counter() - encoded
    size = len(buffer.getvalue())
    x, x_hat = _tensor(pixels), _tensor(decoded)
    ms_ssim = ms_ssim_rgb(x, x_hat)
    return {
        "role": "classic",
        "cell": f"classic-{format}",
        "curve": f"classic-{format}",
        "curve_name": {"jpeg": "JPEG (Pillow)", "webp": "WebP (Pillow)"}[format],
        "reference": None,
        "codec": format,
        "category": "",
        "freeze": "",
        "objective": "",
        "lmbda": float(quality),
        "seed": 0,
        "decoder_fingerprint": "",
        "width": width,
        "height": height,
        "stream_bytes": [size],
        "bytes": size,
        "bpp": size * 8 / (width * height),
        "bpp_estimated": None,
        "psnr": psnr(x, x_hat),
        "ms_ssim": ms_ssim,
        "ms_ssim_db": to_db(ms_ssim),
        "lpips": None,
        "encode_s": encoded - start,
        "decode_s": decode_s,
        "digest": hashlib.sha256(np.ascontiguousarray(decoded.transpose(2, 0, 1)).tobytes()).hexdigest(),
        "domain": "8bit",
        "withheld": None,
    }


def _tensor(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).unsqueeze(0).float()
