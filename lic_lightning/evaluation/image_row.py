"""One image coded to real bytes and back: one row, and one more where it is refined."""

import hashlib
import time
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lic_lightning.bitstream.file_codec import file_bytes
from lic_lightning.codecs.latents import cut
from lic_lightning.codecs.padding import DEFAULT_PADDING, Frame, to_float
from lic_lightning.codecs.registry import spec
from lic_lightning.metrics.image import ImageMetric, measured
from lic_lightning.objectives.rate import bits_per_pixel
from lic_lightning.refinement import Refinement
from lic_lightning.refinement.refinement import Written, written

Domain = Literal["8bit", "float"]
Row = dict[str, Any]


@torch.no_grad()
def image_rows(
    image: Tensor,
    codec: nn.Module,
    decoder: nn.Module | None,
    name: str,
    metrics: Mapping[str, ImageMetric],
    domain: Domain = "8bit",
    padding: str = DEFAULT_PADDING,
    refine: Refinement | None = None,
) -> list[Row]:
    """Codes one image with `codec` and, where a `decoder` is given, has it decode the same strings.

    Args:
        image: (3,H,W) uint8, any size; padded to the codec's stride (see `codecs.padding`).
        codec: analyses the image, writes the strings and decodes them.
        decoder: the untouched reference; a single bit that differs from the codec's own decoding is written to
            `withheld`, and the row must not count.
        name: of the codec as it is registered.
        metrics: see `metrics.build_metrics`.
        domain: "8bit" rounds the decoded image to 8 bits before the metrics; "float" does not.
        padding: what fills the margins.
        refine: chooses what is written in a second row.

    Returns:
        One row of the latents as analysed; with `refine` another of the refined ones. Each has width, height,
        stream_bytes, bytes (string bytes, no header), bpp over unpadded pixels, file_bytes (the `.lic` file),
        bpp_estimated from the likelihoods of what was written, the metrics' columns, encode_s (analyse, refine and
        write), decode_s (read and synthesise), digest (SHA-256 of the decoded 8-bit image), domain, padding, refined,
        withheld; and, which is no column, "encoded": the strings with their "shape".
    """
    device = next(codec.parameters()).device
    x = to_float(image.to(device))
    frame = Frame.of(image, spec(name).stride)
    padded, own = to_float(frame.pad(image, padding).to(device)), cut(codec)

    def row(candidate: Written, encode_s: float, refined: str | None) -> Row:
        latents, encoded = candidate
        decoded, decode_s = _timed(lambda: own.synthesise(own.read(**encoded)), device)
        x_hat = frame.crop(decoded).clamp(0, 1)
        eight_bit = x_hat.mul(255).round()
        stream_bytes = [sum(map(len, stream)) for stream in encoded["strings"]]
        estimated = bits_per_pixel(own.likelihoods(latents), padded).item()
        return {
            **sides_and_rate(frame.height, frame.width, stream_bytes, file_bytes(name, own, frame, candidate)),
            "bpp_estimated": estimated * padded[0, 0].numel() / x[0, 0].numel(),
            **measured(metrics, x * 255, eight_bit if domain == "8bit" else x_hat * 255),
            "encode_s": encode_s,
            "decode_s": decode_s,
            "digest": pixel_digest(eight_bit),
            "domain": domain,
            "padding": padding,
            "refined": refined,
            "withheld": None if decoder is None else cross_decode(decoder, encoded, decoded),
            "encoded": encoded,
        }

    plain, analyse_s = _timed(lambda: own.analyse(padded), device)
    as_analysed, write_s = _timed(lambda: written(own, plain), device)
    rows = [row(as_analysed, analyse_s + write_s, None)]
    if refine is not None:
        refined, refine_s = _timed(lambda: refine(own, plain, image, frame), device)
        rows.append(row(refined, analyse_s + refine_s, refine.preset))
    return rows


def sides_and_rate(height: int, width: int, stream_bytes: list[int], file_bytes: int) -> Row:
    """A row's columns of size and rate. A rate is over all pixels of the picture, none of padding.

    Args:
        height: of the picture.
        width: of the picture.
        stream_bytes: of each string, or of a classic codec's file.
        file_bytes: of the whole file.
    """
    size = sum(stream_bytes)
    return {
        "width": width,
        "height": height,
        "stream_bytes": stream_bytes,
        "bytes": size,
        "bpp": size * 8 / (width * height),
        "file_bytes": file_bytes,
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
