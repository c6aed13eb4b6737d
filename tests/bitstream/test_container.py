"""The bytes: exactly what was written is accepted, and everything else is refused with a reason."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest

from lic_lightning.bitstream import BitstreamError, Container, DamagedError, ForeignFileError, TooLargeError, parse

FILE = Container("mbt2018-mean", bytes(range(12)), 768, 512, 0xDEADBEEF, (b"some bytes of y", b"z"))


def test_what_is_packed_is_parsed() -> None:
    assert parse(FILE.pack()) == FILE


def test_the_layout_of_the_documentation() -> None:
    head = (
        b"\x89LIC\x01"
        + b"\x0cmbt2018-mean"
        + bytes(range(12))
        + b"\x80\x06\x80\x04"  # 768, 512
        + b"\xef\xbe\xad\xde"
        + b"\x02\x0f\x01"
    )
    crcs = b"".join(zlib.crc32(stream, zlib.crc32(head)).to_bytes(4, "little") for stream in FILE.streams)
    assert FILE.pack() == head + crcs + b"some bytes of yz"


def test_every_flipped_bit_is_seen() -> None:
    content = FILE.pack()
    for position in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(BitstreamError):
            parse(bytes(flipped))


def test_every_truncation_is_seen() -> None:
    content = FILE.pack()
    for length in range(4, len(content)):
        with pytest.raises(DamagedError):
            parse(content[:length])


@pytest.mark.parametrize("content", [b"", b"\x89LI", b"\x89PNG\r\n\x1a\n" + bytes(100), b"<html>"])
def test_a_foreign_file_is_called_so(content: bytes) -> None:
    with pytest.raises(ForeignFileError, match=r"not a \.lic file"):
        parse(content)


def test_a_later_version_is_called_so() -> None:
    with pytest.raises(ForeignFileError, match="format version 2"):
        parse(FILE.pack().replace(b"LIC\x01", b"LIC\x02"))


def test_a_byte_too_many_is_seen() -> None:
    with pytest.raises(DamagedError, match="instead of"):
        parse(FILE.pack() + b"\0")


@pytest.mark.parametrize(
    ("field", "value", "error", "message"),
    [
        ("width", 2**34, TooLargeError, "more than the limit"),
        ("height", 0, DamagedError, "768×0"),
        ("streams", (), DamagedError, "0 streams"),
        ("streams", (b"",) * 65, DamagedError, "65 streams"),
        ("codec", "", DamagedError, "no name"),
        ("codec", "x" * 33, DamagedError, "no name"),
        ("codec", "two words", DamagedError, "no name"),
    ],
)
def test_a_header_that_makes_no_sense(field: str, value: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse(replace(FILE, **{field: value}).pack())


def test_the_limit_of_pixels_is_the_callers() -> None:
    assert parse(FILE.pack(), max_pixels=768 * 512) == FILE
    with pytest.raises(TooLargeError, match="393,215"):
        parse(FILE.pack(), max_pixels=768 * 512 - 1)


def test_a_number_has_one_form() -> None:
    content = FILE.pack().replace(b"\x80\x06\x80\x04", b"\x80\x86\x00\x80\x04")
    with pytest.raises(DamagedError, match="shortest form"):
        parse(content)


def test_a_number_ends() -> None:
    content = FILE.pack().replace(b"\x80\x06", b"\xff" * 5)
    with pytest.raises(DamagedError, match="longer than 5 bytes"):
        parse(content)
