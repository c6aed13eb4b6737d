"""Symbols to bytes and back, by CompressAI's native rANS coder.

A cut writes and reads through a `Coder` that it is given, one named stream after the other. `RANS` gives CompressAI's
own strings; the file format gives a coder that checks symbols and stays within its bytes (`bitstream.symbols`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from compressai.ans import BufferedRansEncoder, RansDecoder
from torch import Tensor

PART = 4_000_000  # symbols that are a Python list at once, which takes 8 bytes for each


class Tables(NamedTuple):
    """What an entropy model tells the coder: per index a CDF in integers, its length, and the symbol it starts at."""

    cdfs: list[list[int]]
    lengths: list[int]
    offsets: list[int]


class Writer:
    """One string in the making, by CompressAI's encoder."""

    def __init__(self) -> None:
        self._encoder = BufferedRansEncoder()

    def write(self, symbols: list[int], indexes: list[int], tables: Tables) -> None:
        """Adds symbols, each coded by the table of its index."""
        self._encoder.encode_with_indexes(symbols, indexes, *tables)

    def flush(self) -> bytes:
        """The string, once all is written: rANS writes backwards."""
        return self._encoder.flush()


class Reader:
    """One string being read, by CompressAI's decoder. It does not look where its string ends."""

    def __init__(self, string: bytes) -> None:
        self._decoder = RansDecoder()
        self._decoder.set_stream(string)

    def read(self, indexes: list[int], tables: Tables) -> list[int]:
        """The next symbols, one for each index."""
        return self._decoder.decode_stream(indexes, *tables)


class Coder:
    """Makes writers and readers for the strings of a stream, called by its name in the cut ("y", "z").

    This one takes every string by itself, as CompressAI's models write and read them.
    """

    def writer(self, stream: str) -> Writer:
        """A new string of a stream."""
        return Writer()

    def reader(self, stream: str, string: bytes) -> Reader:
        """A string of a stream, from its beginning."""
        return Reader(string)


RANS = Coder()


def encode(coder: Coder, stream: str, symbols: Tensor, indexes: Tensor, tables: Tables) -> list[bytes]:
    """Strings of symbols (B,…), one for each image; `indexes` are of the same shape."""
    strings = []
    for symbols_of_one, indexes_of_one in zip(symbols, indexes, strict=True):
        writer = coder.writer(stream)
        parts = zip(symbols_of_one.flatten().int().split(PART), indexes_of_one.flatten().split(PART), strict=True)
        for symbols_of_part, indexes_of_part in parts:
            writer.write(symbols_of_part.tolist(), indexes_of_part.tolist(), tables)
        strings.append(writer.flush())
    return strings


def decode(readers: Sequence[Reader], indexes: Tensor, tables: Tables) -> Tensor:
    """The next symbols of one string for each image: float32 of the shape of `indexes` (B,…)."""
    symbols = [
        torch.tensor(reader.read(part.tolist(), tables), dtype=torch.int32, device=indexes.device)
        for reader, indexes_of_one in zip(readers, indexes, strict=True)
        for part in indexes_of_one.flatten().split(PART)
    ]
    return torch.cat(symbols).reshape(indexes.shape).float()
