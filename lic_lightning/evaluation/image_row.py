"""One image coded to real bytes and back: one row."""

import hashlib
import time
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lic_lightning.codecs.latents import Cut, cut
from lic_lightning.codecs.padding import DEFAULT_PADDING, Frame, to_float
from lic_lightning.metrics.image import ImageMetric, measured
from lic_lightning.objectives.rate import bits_per_pixel
from lic_lightning.refinement import Refinement
from lic_lightning.refinement.refinement import Written, written

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
    padding: str = DEFAULT_PADDING,
    refine: Refinement | None = None,
) -> Row:
    """Codes one image with `codec` and, where a `decoder` is given, has it decode the same strings.

    Args:
        image: (3,H,W) uint8, any size; padded to `stride` (see `codecs.padding`).
        codec: analyses the image, writes the strings and decodes them.
        decoder: the untouched reference; a single bit that differs from the codec's own decoding is written to
            `withheld`, and the row must not count.
        stride: the codec's, a multiple of which both padded sides are.
        metrics: see `metrics.build_metrics`.
        domain: "8bit" rounds the decoded image to 8 bits before the metrics; "float" does not.
        padding: what fills the margins.
        refine: chooses what is written; None writes what the analysis gives.

    Returns:
        width, height, stream_bytes, bytes (string bytes, no header), bpp over unpadded pixels, bpp_estimated from
        the likelihoods of what was written, the metrics' columns, encode_s (analyse, refine and write), decode_s (read
        and synthesise), digest (SHA-256 of the decoded 8-bit image), domain, padding, refined, withheld.
    """
    device = next(codec.parameters()).device
    x = to_float(image.to(device))
    frame = Frame.of(image, stride)
    padded, own = to_float(frame.pad(image, padding).to(device)), cut(codec)

    (latents, encoded), encode_s = _timed(lambda: encode(own, padded, image, frame, refine), device)
    decoded, decode_s = _timed(lambda: own.synthesise(own.read(**encoded)), device)
    withheld = None if decoder is None else cross_decode(decoder, encoded, decoded)
    x_hat = frame.crop(decoded).clamp(0, 1)

    stream_bytes = [sum(map(len, stream)) for stream in encoded["strings"]]
    pixels = frame.height * frame.width
    estimated = bits_per_pixel(own.likelihoods(latents), padded).item() * padded[0, 0].numel() / pixels
    eight_bit = x_hat.mul(255).round()
    return {
        **sides_and_rate(frame.height, frame.width, stream_bytes),
        "bpp_estimated": estimated,
        **measured(metrics, x * 255, eight_bit if domain == "8bit" else x_hat * 255),
        "encode_s": encode_s,
        "decode_s": decode_s,
        "digest": pixel_digest(eight_bit),
        "domain": domain,
        "padding": padding,
        "refined": refine.preset if refine else None,
        "withheld": withheld,
    }


def encode(own: Cut, padded: Tensor, image: Tensor, frame: Frame, refine: Refinement | None) -> Written:
    """What is written of an image (3,H,W) uint8 that `padded` (1,3,…) in [0, 1] shows in its frame."""
    plain = own.analyse(padded)
    return written(own, plain) if refine is None else refine(own, plain, image, frame)


def sides_and_rate(height: int, width: int, stream_bytes: list[int]) -> Row:
    """A row's columns width, height, stream_bytes, bytes and bpp: over all pixels of the picture, none of padding."""
    size = sum(stream_bytes)
    return {
        "width": width,
        "height": height,
        "stream_bytes": stream_bytes,
        "bytes": size,
        "bpp": size * 8 / (width * height),
    }


def pixel_digest(image: Tensor) -> str:
    """SHA-256 of an image (1,3,H,W) with whole values of 0 to 255, as 8 bits each."""
    return hashlib.sha256(image.byte().cpu().contiguous().numpy().tobytes()).hexdigest()


def cross_decode(decoder: nn.Module, encoded: dict[str, Any], expected: Tensor) -> str | None:
    """Why the `decoder` does not read the strings as their writer does; None if all bits are equal."""
    try:
        decoded = cut(decoder).synthesise(cut(decoder).read(**encoded))
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
