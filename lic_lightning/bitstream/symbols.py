"""What passes between a codec and CompressAI's native rANS coder: checked, kept within bounds, in few streams."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import xor
from typing import Any

import numpy as np
from compressai.ans import BufferedRansEncoder, RansDecoder, RansEncoder
from compressai.entropy_models import EntropyBottleneck, GaussianConditional
from torch import nn

SPARE_BYTES = 65536


class SymbolCheck:
    """CRC-32 over the symbols of each stream, as little-endian int32 in coding order.

    Symbols are integers, on which any two machines agree as long as entropy decoding goes right. ŷ itself is not taken:
    it is symbol + mean, and a mean's last bit may differ between processors without harm to the picture.

    Attributes:
        count: of symbols so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._streams: dict[int, tuple[Any, int]] = {}  # by id of a coder; the coder stays, so that no id comes again

    def add(self, coder: Any, symbols: list[int]) -> None:
        """Takes what `coder` codes next."""
        _, crc = self._streams.get(id(coder), (coder, 0))
        self._streams[id(coder)] = coder, zlib.crc32(np.array(symbols, dtype="<i4").data, crc)
        self.count += len(symbols)

    @property
    def crc(self) -> int:
        """All streams in one number. Each distinct CRC counts once: a reader may go through a stream twice."""
        return reduce(xor, {crc for _, crc in self._streams.values()}, 0)


@contextmanager
def encoding() -> Iterator[SymbolCheck]:
    """While it lasts, the check sees every symbol that is written, by whichever codec."""
    check = SymbolCheck()
    one_shot, buffered = RansEncoder.encode_with_indexes, BufferedRansEncoder.encode_with_indexes

    def write_stream(coder: RansEncoder, symbols: list[int], *tables: Any) -> bytes:
        check.add(object(), symbols)
        return one_shot(coder, symbols, *tables)

    def write(coder: BufferedRansEncoder, symbols: list[int], *tables: Any) -> None:
        check.add(coder, symbols)
        buffered(coder, symbols, *tables)

    RansEncoder.encode_with_indexes, BufferedRansEncoder.encode_with_indexes = write_stream, write
    try:
        yield check
    finally:
        RansEncoder.encode_with_indexes, BufferedRansEncoder.encode_with_indexes = one_shot, buffered


@contextmanager
def decoding(most_symbols: int) -> Iterator[SymbolCheck]:
    """While it lasts, the check sees every symbol that is read, and no stream is read past its end.

    The native decoder does not look where its input ends: a stream that stands for fewer symbols than it is asked for
    would let it read whatever memory follows. So zeros follow: two bytes for each of up to `most_symbols`, which is the
    most that a symbol within its table takes, and some to spare for those outside.
    """
    check = SymbolCheck()
    start, one_shot, stream = RansDecoder.set_stream, RansDecoder.decode_with_indexes, RansDecoder.decode_stream
    zeros = bytes(2 * most_symbols + SPARE_BYTES)

    def read_stream(coder: RansDecoder, string: bytes, *tables: Any) -> list[int]:
        symbols = one_shot(coder, string + zeros, *tables)
        check.add(object(), symbols)
        return symbols

    def read(coder: RansDecoder, *tables: Any) -> list[int]:
        symbols = stream(coder, *tables)
        check.add(coder, symbols)
        return symbols

    RansDecoder.set_stream = lambda coder, string: start(coder, string + zeros)
    RansDecoder.decode_with_indexes, RansDecoder.decode_stream = read_stream, read
    try:
        yield check
    finally:
        RansDecoder.set_stream = start
        RansDecoder.decode_with_indexes, RansDecoder.decode_stream = one_shot, stream


def conditionals(codec: nn.Module) -> list[GaussianConditional]:
    """The Gaussian conditionals of a codec; several (one a group of channels, as ELIC's) share one stream."""
    return [module for module in codec.modules() if isinstance(module, GaussianConditional)]


def stream_count(codec: nn.Module) -> int:
    """Streams of a codec: one for each bottleneck, and one for all conditionals together."""
    return sum(isinstance(module, EntropyBottleneck) for module in codec.modules()) + bool(conditionals(codec))


class SharedEncoder:
    """Stands in for the entropy coders of several conditionals: one rANS stream, whole when it is flushed."""

    def __init__(self) -> None:
        self._encoder = BufferedRansEncoder()
        self._last: list[int] = []

    def encode_with_indexes(self, symbols: list[int], *tables: Any) -> bytes:
        self._encoder.encode_with_indexes(symbols, *tables)
        self._last = symbols
        return b""

    def decode_with_indexes(self, string: bytes, *tables: Any) -> list[int]:
        return self._last  # an encoder that goes on from ŷ reads back what it has just written

    def flush(self) -> bytes:
        """The stream."""
        return self._encoder.flush()


class SharedDecoder:
    """Stands in for the entropy coders of several conditionals: each goes on where the last one stopped."""

    def __init__(self, stream: bytes) -> None:
        self._decoder = RansDecoder()
        self._decoder.set_stream(stream)

    def decode_with_indexes(self, string: bytes, *tables: Any) -> list[int]:
        return self._decoder.decode_stream(*tables)


@contextmanager
def sharing(models: Sequence[GaussianConditional], coder: SharedEncoder | SharedDecoder) -> Iterator[None]:
    """While it lasts, `coder` codes what these conditionals have to code."""
    own = [model.entropy_coder for model in models]
    for model in models:
        model.entropy_coder = coder
    try:
        yield
    finally:
        for model, its in zip(models, own, strict=True):
            model.entropy_coder = its


def least_bits(codec: nn.Module) -> float:
    """Bits that the likeliest symbols of the innermost latents take at one position: a lower bound for all streams.

    A symbol costs -log2 of its share of the CDF, less what rANS may round away (2^-14). 0 for a codec with several
    bottlenecks of which none is called `entropy_bottleneck`.
    """
    found = [module for module in codec.modules() if isinstance(module, EntropyBottleneck)]
    innermost = found[0] if len(found) == 1 else getattr(codec, "entropy_bottleneck", None)
    if innermost is None:
        return 0.0
    shares = innermost._quantized_cdf.diff(dim=1).amax(dim=1).double() / 2**innermost.entropy_coder_precision
    return sum(max(0.0, -math.log2(share) - 2**-14) for share in shares.tolist())
