"""Pictures to the bytes of `.lic` files and back, with one codec.

    picture ─► pad ─► analysis in tiles ─► latents, refined or not ─► write ─► streams ─► Container ─► bytes
    bytes ─► Container ─► read ─► latents ─► synthesis in tiles ─► crop ─► picture

The codec's own cut writes and reads (`codecs.latents`). Its transforms run in tiles where it says that they need not
see the whole picture; a codec whose transforms do (SegPIC) is coded whole.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lic_lightning.bitstream import symbols
from lic_lightning.bitstream.container import FINGERPRINT_BYTES, MAX_PIXELS, Container, parse
from lic_lightning.bitstream.errors import DamagedError, DecoderNotFoundError, LatentsError, TooLargeError
from lic_lightning.codecs.fingerprint import decoder_fingerprint
from lic_lightning.codecs.latents import Cut, Latents, TransformCut, cut
from lic_lightning.codecs.padding import DEFAULT_PADDING, Frame, fill, to_8bit, to_float
from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.tiled import analysis, analysis_grid, synthesis, synthesis_grid
from lic_lightning.refinement import Refinement
from lic_lightning.refinement.refinement import Written

MOST_LATENTS = 2  # a pixel, of all codecs: 320 channels at 1/16 and their hyperprior are 1.3


class FileCodec:
    """Codes pictures to bytes and back, on the CPU with one thread: how a sum is split changes its last bits.

    Args:
        name: of a registered codec.
        codec: with its weights and CDFs, in eval mode and float32, as `load_codec` gives it.
        padding: of the pictures that it encodes, see `codecs.padding.PADDINGS`; decoding needs to know none.
        refine: chooses what is written of each picture; None writes what the analysis gives.

    Attributes:
        fingerprint: of the decoder, as in the file.
        tiled: True if g_a and g_s run in tiles; else memory grows with the whole picture's feature maps.
    """

    def __init__(
        self, name: str, codec: nn.Module, padding: str = DEFAULT_PADDING, refine: Refinement | None = None
    ) -> None:
        self.name, self.codec, self.spec, self.cut = name, codec, spec(name), cut(codec)
        self.padding, self.refine = padding, refine
        fill(padding)
        if refine is not None:
            refine.check(self.cut)
        self.fingerprint = short_fingerprint(name, codec)
        self._least_bits = symbols.least_bits(codec)
        self._tiles = _Tiles(self.cut, self.spec.stride) if isinstance(self.cut, TransformCut) else None
        self.tiled = self._tiles is not None and self._tiles.bounded

    def encode(self, image: Tensor, y: Tensor | None = None) -> bytes:
        """The file of a picture (3,H,W) uint8 of any size; y (1,M,h,w) stands for what the analysis would give."""
        _, height, width = image.shape
        coder = symbols.FileCoder()
        with _coding():
            self.cut.write(self._analyse(image, y), coder)
        streams = coder.strings(self.cut.streams)
        return Container(self.name, self.fingerprint, width, height, coder.crc, streams).pack()

    def decode(self, data: bytes, max_pixels: int = MAX_PIXELS) -> Tensor:
        """The picture (3,H,W) uint8 of a file.

        Raises:
            BitstreamError: not a whole file for this decoder with at most `max_pixels` pixels.
        """
        frame, latents = self.latents(data, max_pixels)
        with _coding():
            if self._tiles is None:
                return frame.crop(to_8bit(self.cut.synthesise(latents))[0])
            return frame.crop(self._tiles.synthesise(latents))

    def latents(self, data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[Frame, Latents]:
        """The latents of the padded picture, and where the picture lies in it; the synthesis does not run.

        Raises:
            BitstreamError: as `decode`.
        """
        file = parse(data, max_pixels)
        frame = self._accepted(file)
        height, width = frame.padded
        coder = symbols.FileCoder(MOST_LATENTS * height * width)
        strings = [[stream] for stream in file.streams]
        with _coding():
            latents = self.cut.read(strings, self.cut.shape(height, width), coder)
        if coder.crc != file.latents_crc:
            raise LatentsError(
                f"the streams are whole, but decode to other latents than {self.name} wrote: "
                "this machine's arithmetic differs from the encoder's"
            )
        return frame, latents

    def _analyse(self, image: Tensor, y: Tensor | None) -> Latents:
        frame = Frame.of(image, self.spec.stride)
        padded = frame.pad(image, self.padding)
        if self._tiles is None:
            plain = self.cut.analyse(to_float(padded))
        else:
            plain = self._tiles.cut.quantise(self._tiles.transform(padded) if y is None else y)
        return plain if self.refine is None else self.refine(self.cut, plain, image, frame).latents

    def _accepted(self, file: Container) -> Frame:
        """Where the picture of a file lies.

        Raises:
            BitstreamError: the file is not for this decoder, or can't hold so large a picture.
        """
        if (file.codec, file.fingerprint) != (self.name, self.fingerprint):
            raise DecoderNotFoundError(
                f"written for {file.codec} with decoder {file.fingerprint.hex()}, "
                f"but this is {self.name} with decoder {self.fingerprint.hex()}"
            )
        if len(file.streams) != len(self.cut.streams):
            raise DamagedError(f"{len(file.streams)} streams, but {self.name} writes {len(self.cut.streams)}")
        frame = Frame(file.height, file.width, self.spec.stride)
        positions = math.prod(side // frame.stride for side in frame.padded)
        size = sum(map(len, file.streams))
        if size * 8 < positions * self._least_bits:
            raise TooLargeError(f"{size} bytes of streams can't hold the declared {file.width}×{file.height} pixels")
        return frame


def file_bytes(name: str, own: Cut, frame: Frame, candidate: Written) -> int:
    """Bytes of the file of a picture alone that was written as strings, by the cut of the codec of that name."""
    latents, encoded = candidate
    streams = tuple(stream[0] for stream in encoded["strings"])
    if len(streams) > len(own.streams):  # a file goes on in one stream where the strings are several
        coder = symbols.FileCoder()
        own.write(latents, coder)
        streams = coder.strings(own.streams)
    return len(Container(name, bytes(FINGERPRINT_BYTES), frame.width, frame.height, 0, streams).pack())


def short_fingerprint(name: str, codec: nn.Module) -> bytes:
    """The decoder's fingerprint as files hold it."""
    return bytes.fromhex(decoder_fingerprint(codec, spec(name).roles))[:FINGERPRINT_BYTES]


class _Tiles:
    """The two transforms of a cut in tiles.

    Attributes:
        bounded: neither may see the whole picture; else each runs as one tile.
    """

    def __init__(self, own: TransformCut, stride: int) -> None:
        self.cut, self.g_a, self.g_s = own, own.codec.g_a, own.codec.g_s
        with _coding():
            channels = self.g_a(torch.zeros(1, 3, stride, stride)).size(1)
            self._grids = analysis_grid(self.g_a, stride), synthesis_grid(self.g_s, channels)
        self.bounded = all(grid.reach is not None for grid in self._grids)

    def transform(self, image: Tensor) -> Tensor:
        """y of a padded picture (3,H,W) uint8."""
        return analysis(self.g_a, image, self._grids[0])

    def synthesise(self, latents: Latents) -> Tensor:
        """The padded picture (3,H,W) uint8."""
        return synthesis(self.g_s, latents.y_hat, self._grids[1])


@contextmanager
def _coding() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(threads)
