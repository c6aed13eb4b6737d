"""One image coded to real bytes and back: one row."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from compressai.ops import compute_padding
from torch import Tensor, nn

from lic_lightning.evaluation.estimate import Transforms
from lic_lightning.metrics.image import ImageMetric, measured
from lic_lightning.objectives.rate import bits_per_pixel

Domain = Literal["8bit", "float"]
Row = dict[str, Any]


@torch.no_grad()
def image_row(
    image: Tensor,
    codec: nn.Module,
    decoder: nn.Module | None,
    stride: int,
    metrics: Mapping[str, ImageMetric],
    domain: Domain = "8bit",
) -> Row:
    """Codes one image with `codec` and, where a `decoder` is given, has it decode the same strings.

    Args:
        image: (3,H,W) uint8, any size; padded to `stride` with centred zeros, as CompressAI does.
        codec: writes the strings and decodes them.
        decoder: the untouched reference; a single bit that differs from the codec's own decoding is written to
            `withheld`, and the row must not count.
        stride: the codec's, a multiple of which both padded sides are.
        metrics: see `metrics.build_metrics`.
        domain: "8bit" rounds the decoded image to 8 bits before the metrics; "float" does not.

    Returns:
        width, height, stream_bytes, bytes (string bytes, no header), bpp over unpadded pixels, bpp_estimated from
        the likelihoods, the metrics' columns, encode_s, decode_s, digest (SHA-256 of the decoded 8-bit
        image), domain, withheld.
    """
    device = next(codec.parameters()).device
    x = image.to(device).float().div(255).unsqueeze(0)
    height, width = x.shape[2:]
    pad, unpad = compute_padding(height, width, min_div=stride)
    padded = F.pad(x, pad)

    transforms = Transforms(codec)
    with transforms.encoding():
        encoded, encode_s = _timed(lambda: codec.compress(padded), device)
    with transforms.decoding():
        decoded, decode_s = _timed(lambda: codec.decompress(**encoded)["x_hat"], device)
    withheld = None if decoder is None else cross_decode(decoder, encoded, decoded)
    x_hat = F.pad(decoded, unpad).clamp(0, 1)

    stream_bytes = [sum(map(len, stream)) for stream in encoded["strings"]]
    pixels = height * width
    estimated = bits_per_pixel(transforms.likelihoods(padded), padded).item() * padded[0, 0].numel() / pixels
    eight_bit = x_hat.mul(255).round()
    return {
        "width": width,
        "height": height,
        "stream_bytes": stream_bytes,
        "bytes": sum(stream_bytes),
        "bpp": sum(stream_bytes) * 8 / pixels,
        "bpp_estimated": estimated,
        **measured(metrics, x * 255, eight_bit if domain == "8bit" else x_hat * 255),
        "encode_s": encode_s,
        "decode_s": decode_s,
        "digest": hashlib.sha256(eight_bit.byte().cpu().contiguous().numpy().tobytes()).hexdigest(),
        "domain": domain,
        "withheld": withheld,
    }


def cross_decode(decoder: nn.Module, encoded: dict[str, Any], expected: Tensor) -> str | None:
    """Why the `decoder` does not read the strings as their writer does; None if all bits are equal."""
    try:
        decoded = decoder.decompress(**encoded)["x_hat"]
    except (RuntimeError, ValueError, IndexError) as error:
        return f"cross-decode: the reference can't decode the strings ({error})"
    if decoded.shape != expected.shape:
        return f"cross-decode: the reference decodes {tuple(decoded.shape)} instead of {tuple(expected.shape)}"
    differing = int((decoded.view(torch.int32) != expected.view(torch.int32)).sum())
    if differing:
        difference = (decoded - expected).abs().max().item()
        return f"cross-decode: {differing} of {expected.numel()} values differ, by {difference:.3g} at most"
    return None


def _timed(code: Any, device: torch.device) -> tuple[Any, float]:
    _synchronize(device)
    start = time.perf_counter()
    result = code()
    _synchronize(device)
    return result, time.perf_counter() - start


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
