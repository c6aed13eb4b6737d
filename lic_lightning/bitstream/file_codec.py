"""Pictures to the bytes of `.lic` files and back, with one codec.

    picture ─► pad ─► g_a in tiles ─► y ─► compress ─► streams ─► Container ─► bytes
    bytes ─► Container ─► decompress ─► ŷ ─► g_s in tiles ─► crop ─► picture

`compress` and `decompress` are the codec's own (CompressAI's contract), with g_a and g_s taken out of them: so each
codec keeps its streams, and only the two transforms that grow with the picture run in tiles. A codec that has no two
such children (SegPIC's transforms know the whole picture) is coded whole.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from compressai.ops import compute_padding
from torch import Size, Tensor, nn

from lic_lightning.bitstream import symbols
from lic_lightning.bitstream.container import FINGERPRINT_BYTES, MAX_PIXELS, Container, parse
from lic_lightning.bitstream.errors import DamagedError, DecoderNotFoundError, LatentsError, TooLargeError
from lic_lightning.codecs.fingerprint import decoder_fingerprint
from lic_lightning.codecs.latents import Found, decode_latents
from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.tiled import Grid, analysis, analysis_grid, synthesis, synthesis_grid

MOST_LATENTS = 2  # a pixel, of all codecs: 320 channels at 1/16 and their hyperprior are 1.3


class FileCodec:
    """Codes pictures to bytes and back, on the CPU with one thread: how a sum is split changes its last bits.

    Args:
        name: of a registered codec.
        codec: with its weights and CDFs, in eval mode and float32, as `load_codec` gives it.

    Attributes:
        fingerprint: of the decoder, as in the file.
        tiled: True if g_a and g_s run in tiles; else memory grows with the whole picture's feature maps.
    """

    def __init__(self, name: str, codec: nn.Module) -> None:
        self.name, self.codec, self.spec = name, codec, spec(name)
        self.fingerprint = short_fingerprint(name, codec)
        self._least_bits = symbols.least_bits(codec)
        self._grids = _grids(codec, self.spec.stride)
        self.tiled = self._grids is not None and all(grid.reach is not None for grid in self._grids)

    def encode(self, image: Tensor) -> bytes:
        """The file of a picture (3,H,W) uint8 of any size."""
        _, height, width = image.shape
        pad, _ = compute_padding(height, width, min_div=self.spec.stride)
        with _coding(), symbols.encoding() as check:
            streams = self._streams(F.pad(image, pad))
        if not check.count:
            raise RuntimeError(f"{self.name} does not code with CompressAI's rANS, so its symbols can't be checked")
        return Container(self.name, self.fingerprint, width, height, check.crc, streams).pack()

    def decode(self, data: bytes, max_pixels: int = MAX_PIXELS) -> Tensor:
        """The picture (3,H,W) uint8 of a file.

        Raises:
            BitstreamError: not a whole file for this decoder with at most `max_pixels` pixels.
        """
        file = parse(data, max_pixels)
        with self._reading(file) as arguments:
            if self._grids is None:
                x_hat = self.codec.decompress(**arguments)["x_hat"][0]
            else:
                latents = _Kept()
                _with(self.codec, g_s=latents).decompress(**arguments)
        with _coding():
            if self._grids is None:
                image = x_hat.clamp(0, 1).mul(255).round().byte()
            else:
                image = synthesis(self.codec.get_submodule("g_s"), latents.y_hat, self._grids[1])
        (left, _, top, _), _ = compute_padding(file.height, file.width, min_div=self.spec.stride)
        return image[:, top : top + file.height, left : left + file.width]

    def latents(self, data: bytes, max_pixels: int = MAX_PIXELS) -> Found:
        """ŷ and σ̂ of the padded picture (see `codecs.latents`); the synthesis does not run.

        Raises:
            BitstreamError: as `decode`.
            codecs.latents.LatentsError: the codec has no scales.
        """
        with self._reading(parse(data, max_pixels)) as arguments:
            return decode_latents(self.codec, **arguments)

    def _streams(self, image: Tensor) -> tuple[bytes, ...]:
        if self._grids is None:
            codec, x = self.codec, image.float().div(255).unsqueeze(0)
        else:
            x = analysis(self.codec.get_submodule("g_a"), image, self._grids[0])
            codec = _with(self.codec, g_a=nn.Identity())
        models = symbols.conditionals(codec)
        if len(models) < 2:
            return tuple(string for [string] in codec.compress(x)["strings"])
        shared = symbols.SharedEncoder()
        with symbols.sharing(models, shared):
            own = [string for [string] in codec.compress(x)["strings"] if string]
        return (shared.flush(), *own)

    @contextmanager
    def _reading(self, file: Container) -> Iterator[dict[str, Any]]:
        """The arguments of `decompress` for a file of this decoder; at the end its symbols are checked."""
        height, width = self._accepted(file)
        models = symbols.conditionals(self.codec)
        with _coding(), symbols.decoding(MOST_LATENTS * height * width) as check:
            several = len(models) > 1
            with symbols.sharing(models, symbols.SharedDecoder(file.streams[0])) if several else nullcontext():
                yield self._arguments(file.streams, height, width)
        if check.crc != file.latents_crc:
            raise LatentsError(
                f"the streams are whole, but decode to other latents than {self.name} wrote: "
                "this machine's arithmetic differs from the encoder's"
            )

    def _accepted(self, file: Container) -> tuple[int, int]:
        """Height and width of the padded picture.

        Raises:
            BitstreamError: the file is not for this decoder, or can't hold so large a picture.
        """
        if (file.codec, file.fingerprint) != (self.name, self.fingerprint):
            raise DecoderNotFoundError(
                f"written for {file.codec} with decoder {file.fingerprint.hex()}, "
                f"but this is {self.name} with decoder {self.fingerprint.hex()}"
            )
        expected = symbols.stream_count(self.codec)
        if len(file.streams) != expected:
            raise DamagedError(f"{len(file.streams)} streams, but {self.name} writes {expected}")
        stride = self.spec.stride
        rows, columns = -(-file.height // stride), -(-file.width // stride)
        size = sum(map(len, file.streams))
        if size * 8 < rows * columns * self._least_bits:
            raise TooLargeError(f"{size} bytes of streams can't hold the declared {file.width}×{file.height} pixels")
        return rows * stride, columns * stride

    def _arguments(self, streams: tuple[bytes, ...], height: int, width: int) -> dict[str, Any]:
        if self.spec.unpack is not None:
            return self.spec.unpack(self.codec, streams, height, width)
        factor = getattr(self.codec, "downsampling_factor", self.spec.stride)
        return {"strings": [[stream] for stream in streams], "shape": Size((height // factor, width // factor))}


def short_fingerprint(name: str, codec: nn.Module) -> bytes:
    """The decoder's fingerprint as files hold it."""
    return bytes.fromhex(decoder_fingerprint(codec, spec(name).roles))[:FINGERPRINT_BYTES]


class _Kept(nn.Module):
    """Stands in for g_s, and keeps the latents that come to it."""

    y_hat: Tensor

    def forward(self, y_hat: Tensor) -> Tensor:
        self.y_hat = y_hat
        return torch.empty(0)


def _grids(codec: nn.Module, stride: int) -> tuple[Grid, Grid] | None:
    """How analysis and synthesis lie on the picture, of a codec that has the two as children."""
    children = dict(codec.named_children())
    if not {"g_a", "g_s"} <= set(children):
        return None
    with _coding():
        channels = children["g_a"](torch.zeros(1, 3, stride, stride)).size(1)
        return analysis_grid(children["g_a"], stride), synthesis_grid(children["g_s"], channels)


def _with(codec: nn.Module, **modules: nn.Module) -> nn.Module:
    """The same codec with other children under these names; tensors are shared, and `codec` stays as it is."""
    changed = copy.copy(codec)
    changed._modules = {**codec._modules, **modules}
    return changed


@contextmanager
def _coding() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(threads)
