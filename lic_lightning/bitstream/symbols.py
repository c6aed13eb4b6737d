"""What passes between a cut and the native rANS coder: checked, kept within bounds, one string a stream."""

import math
import zlib
from collections.abc import Sequence
from functools import reduce
from operator import xor

import numpy as np
from compressai.entropy_models import EntropyBottleneck
from torch import nn

from lic_lightning.codecs.rans import Coder, Reader, Tables, Writer

SPARE_BYTES = 65536


class FileCoder(Coder):
    """A file's coder: one string for each stream, however many parts a cut writes it in; every symbol is checked.

    The native decoder does not look where its input ends: a stream that stands for fewer symbols than it is asked for
    would let it read whatever memory follows. So zeros follow: two bytes for each of up to `most_symbols`, which is the
    most that a symbol within its table takes, and some to spare for those outside.

    Args:
        most_symbols: in one stream, when reading.
    """

    def __init__(self, most_symbols: int = 0) -> None:
        self._zeros = bytes(2 * most_symbols + SPARE_BYTES)
        self._writers: dict[str, _Writer] = {}
        self._readers: dict[str, _Reader] = {}

    def writer(self, stream: str) -> Writer:
        """Goes on writing a stream; its bytes come from `strings`, once all parts are written."""
        return self._writers.setdefault(stream, _Writer())

    def reader(self, stream: str, string: bytes) -> Reader:
        """Goes on reading a stream; `string` is taken the first time."""
        if stream not in self._readers:
            self._readers[stream] = _Reader(string + self._zeros)
        return self._readers[stream]

    def strings(self, streams: Sequence[str]) -> tuple[bytes, ...]:
        """What was written, in this order."""
        return tuple(self._writers[stream].string() for stream in streams)

    @property
    def crc(self) -> int:
        """All streams in one number, each distinct one once.

        Symbols are integers, on which any two machines agree as long as entropy decoding goes right. ŷ itself is not
        taken: it is symbol + mean, and a mean's last bit may differ between processors without harm to the picture.
        """
        crcs = {writer.crc for writer in self._writers.values()} | {reader.crc for reader in self._readers.values()}
        return reduce(xor, crcs, 0)


class _Writer(Writer):
    crc = 0  # CRC-32 of the symbols so far

    def write(self, symbols: list[int], indexes: list[int], tables: Tables) -> None:
        self.crc = _crc(symbols, self.crc)
        super().write(symbols, indexes, tables)

    def flush(self) -> bytes:
        return b""  # other parts may follow

    def string(self) -> bytes:
        return super().flush()


class _Reader(Reader):
    crc = 0

    def read(self, indexes: list[int], tables: Tables) -> list[int]:
        symbols = super().read(indexes, tables)
        self.crc = _crc(symbols, self.crc)
        return symbols


def _crc(symbols: list[int], before: int) -> int:
    """Goes on from the CRC-32 of what came before, with the symbols as little-endian int32 in coding order."""
    return zlib.crc32(np.array(symbols, dtype="<i4").data, before)


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
