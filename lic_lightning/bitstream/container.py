"""The bytes of a `.lic` file and back (table in docs/file-format.md). Knows nothing of networks.

magic | version | codec name | decoder fingerprint | width, height | CRC of the latents | stream lengths
CRC of each stream, started from the CRC of all of the above | streams
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from lic_lightning.bitstream.errors import DamagedError, ForeignFileError, TooLargeError

MAGIC = b"\x89LIC"
VERSION = 1
FINGERPRINT_BYTES = 12
CRC_BYTES = 4
VARINT_BYTES = 5  # 35 bits: more than any length or side here
MOST_NAME_BYTES = 32
MOST_STREAMS = 64
MAX_PIXELS = 2**27


@dataclass(frozen=True)
class Container:
    """What a file says.

    Attributes:
        codec: registered name.
        fingerprint: the first 12 bytes of the SHA-256 over all decoder-side tensors.
        width: of the picture in pixels, before padding.
        height: likewise.
        latents_crc: CRC-32 of the coded symbols (see `symbols.SymbolCheck`).
        streams: entropy-coded bytes, in the codec's order.
    """

    codec: str
    fingerprint: bytes
    width: int
    height: int
    latents_crc: int
    streams: tuple[bytes, ...]

    def pack(self) -> bytes:
        """The file's bytes."""
        name = self.codec.encode("ascii")
        head = b"".join(
            [
                MAGIC,
                bytes([VERSION, len(name)]),
                name,
                self.fingerprint,
                _varint(self.width),
                _varint(self.height),
                self.latents_crc.to_bytes(CRC_BYTES, "little"),
                _varint(len(self.streams)),
                *(_varint(len(stream)) for stream in self.streams),
            ]
        )
        return b"".join([head, _crcs(head, self.streams), *self.streams])


def parse(data: bytes, max_pixels: int = MAX_PIXELS) -> Container:
    """Reads a file, and accepts exactly what `Container.pack` writes.

    Raises:
        ForeignFileError: not a `.lic` file, or of an unknown version.
        DamagedError: cut short, extended or altered.
        TooLargeError: declares more than `max_pixels` pixels.
    """
    if not data.startswith(MAGIC):
        raise ForeignFileError(f"not a .lic file: it starts with {data[:4].hex(' ') or 'nothing'}")
    reader = _Reader(data, len(MAGIC))
    version = reader.byte()
    if version != VERSION:
        raise ForeignFileError(f"format version {version}; this program reads version {VERSION}")
    codec = reader.name()
    fingerprint = reader.take(FINGERPRINT_BYTES)
    width, height = reader.varint(), reader.varint()
    latents_crc = int.from_bytes(reader.take(CRC_BYTES), "little")
    count = reader.varint()
    if not 1 <= count <= MOST_STREAMS:
        raise DamagedError(f"the header declares {count} streams; 1 to {MOST_STREAMS} are possible")
    lengths = [reader.varint() for _ in range(count)]
    head = data[: reader.position]
    crcs = reader.take(CRC_BYTES * count)
    expected = reader.position + sum(lengths)
    if len(data) != expected:
        raise DamagedError(f"{len(data)} bytes instead of the {expected} that the header declares")
    streams = tuple(reader.take(length) for length in lengths)
    if crcs != _crcs(head, streams):
        raise DamagedError("checksum mismatch: the file was altered after it was written")
    if not width or not height:
        raise DamagedError(f"the header declares a picture of {width}×{height} pixels")
    if width * height > max_pixels:
        raise TooLargeError(f"{width}×{height} is more than the limit of {max_pixels:,} pixels")
    return Container(codec, fingerprint, width, height, latents_crc, streams)


def _crcs(head: bytes, streams: Sequence[bytes]) -> bytes:
    # Each stream's CRC goes on from the header's, so that one set of CRCs guards both
    start = zlib.crc32(head)
    return b"".join(zlib.crc32(stream, start).to_bytes(CRC_BYTES, "little") for stream in streams)


def _varint(value: int) -> bytes:
    """LEB128: 7 bits a byte, the lowest first, the top bit set on all but the last."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Reader:
    def __init__(self, data: bytes, position: int) -> None:
        self.data, self.position = data, position

    def take(self, count: int) -> bytes:
        taken = self.data[self.position : self.position + count]
        if len(taken) < count:
            raise DamagedError(f"cut short: the file ends after {len(self.data)} bytes")
        self.position += count
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def name(self) -> str:
        length = self.byte()
        name = self.take(length) if 1 <= length <= MOST_NAME_BYTES else b""
        if not all(0x21 <= byte <= 0x7E for byte in name) or not name:
            raise DamagedError("the header holds no name of a codec")
        return name.decode("ascii")

    def varint(self) -> int:
        value = 0
        for index in range(VARINT_BYTES):
            byte = self.byte()
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                if byte == 0 and index:
                    raise DamagedError("a number in the header is not in its shortest form")
                return value
        raise DamagedError(f"a number in the header is longer than {VARINT_BYTES} bytes")
