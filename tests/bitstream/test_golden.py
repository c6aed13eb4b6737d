"""Files of earlier versions: today's encoder writes the same bytes, and they decode to the same pixels.

LIC_GOLDEN=1 writes golden.json anew, from whichever version is on the path. Digests depend on the processor's
arithmetic where a latent falls between two integers: these small codecs and pictures have none that near.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from torch import Tensor

from lic_lightning.bitstream import FileCodec
from lic_lightning.codecs.registry import names

GOLDEN = Path(__file__).with_name("golden.json")


def digest(content: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", names())
def test_files_and_pictures_are_those_of_the_first_version(make_codec, photograph: Tensor, name: str) -> None:
    codec = FileCodec(name, make_codec(name), "zeros")
    picture = photograph[:, 10:100, 20:150]
    content = codec.encode(picture)
    decoded = codec.decode(content)
    found = {"bytes": len(content), "file": digest(content), "picture": digest(decoded.numpy().tobytes())}
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else {}
    if os.environ.get("LIC_GOLDEN"):
        GOLDEN.write_text(json.dumps({**golden, name: found}, indent=2) + "\n")
    else:
        assert found == golden[name]
