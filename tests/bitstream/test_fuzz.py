"""Mutated files: an error of ours or a picture, never a crash, a hang, or memory without bound.

LIC_FUZZ=10000 runs that many; the counts by kind of error and the peak memory are printed (pytest -s).
"""

from __future__ import annotations

import os
import random
import resource
from collections import Counter
from dataclasses import replace

import pytest
from torch import Tensor

from lic_lightning.bitstream import BitstreamError, Container, FileCodec, parse
from lic_lightning.bitstream.symbols import FileCoder
from lic_lightning.codecs.rans import Tables

MUTATIONS = int(os.environ.get("LIC_FUZZ", "300"))
MAX_PIXELS = 2**14


def outcome(codec: FileCodec, content: bytes) -> str:
    """The kind of error, or "picture"."""
    try:
        codec.decode(content, MAX_PIXELS)
    except BitstreamError as error:
        return type(error).__name__
    return "picture"


def mutated(content: bytes, rng: random.Random) -> bytes:
    """A file after an accident: bits flipped, bytes replaced, cut out, doubled or cut off."""
    out = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out)) if len(out) > 1 else 0
        stop = min(len(out), at + rng.randint(1, 16))
        kind = rng.randrange(5)
        if kind == 0 and out:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at:stop] = rng.randbytes(stop - at)
        elif kind == 2:
            del out[at:stop]
        elif kind == 3:
            out[at:at] = out[at:stop]
        else:
            del out[at + 1 :]
    return bytes(out)


def forged(file: Container, rng: random.Random) -> bytes:
    """A file of somebody who repairs all checksums: other streams, other sizes."""
    streams = list(file.streams)
    which = rng.randrange(len(streams))
    changes: dict[str, object] = {}
    for _ in range(rng.randint(1, 3)):
        kind = rng.randrange(5)
        if kind == 0:
            streams[which] = mutated(streams[which], rng) if streams[which] else b""
        elif kind == 1:
            streams[which] = rng.randbytes(rng.choice((0, 1, 3, 4, 8, 64, 1000)))
        elif kind == 2:
            streams[which] = rng.choice((b"\xff", b"\0", b"\x80")) * rng.choice((4, 64, 4096))
        elif kind == 3:
            changes["width"] = rng.choice((1, 60, 65, 128, 2**16, 2**30))
        else:
            changes["height"] = rng.choice((1, 60, 65, 128, 2**16, 2**30))
    return replace(file, streams=tuple(streams), **changes).pack()


@pytest.mark.parametrize("attack", ["accident", "forgery"])
@pytest.mark.parametrize("name", ["mbt2018-mean", "mbt2018"])
def test_mutated_files(name: str, attack: str, make_codec, photograph: Tensor) -> None:
    codec = FileCodec(name, make_codec(name))
    content = codec.encode(photograph[:, :60, :60])
    file = parse(content)
    rng = random.Random(1)
    kinds: Counter[str] = Counter()
    for _ in range(MUTATIONS // 2):
        other = mutated(content, rng) if attack == "accident" else forged(file, rng)
        kinds[outcome(codec, other) if other != content else "unchanged"] += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{name}, {attack}: {dict(kinds)}, peak {peak:.0f} MB")
    assert kinds.total() == MUTATIONS // 2
    if attack == "accident":
        assert not kinds["picture"], "a changed file must not pass for the picture"


def test_a_stream_that_ends_early_is_not_read_past_its_end() -> None:
    """The native decoder alone dies of this: 3 million symbols asked of 16 bytes."""
    count = 3_000_000
    cdf = list(range(0, 65537, 256))
    reader = FileCoder(count).reader("y", random.Random(1).randbytes(16))
    assert len(reader.read([0] * count, Tables([cdf], [len(cdf)], [0]))) == count
