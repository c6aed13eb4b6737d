"""What each model of a pool makes of each picture of a set: real files, kept until the choice is made.

    picture ─► every model ─► STORE/<picture>/<model>.lic, and beside it as JSON what it measures

Both names are of contents, so a killed job goes on where it stopped, a picture that lies there twice is coded once, and
other weights, padding or refinement find nothing of theirs.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from torch import Tensor

from lic_lightning.bitstream import FileCodec
from lic_lightning.bitstream.errors import OutOfReachError
from lic_lightning.bitstream.target import REACH, Target
from lic_lightning.codecs.fingerprint import codec_fingerprint
from lic_lightning.files import write_atomically
from lic_lightning.metrics.image import ImageMetric
from lic_lightning.refinement import Refinement


@dataclass(frozen=True)
class Candidate:
    """A picture by one model.

    Attributes:
        model: its name.
        file: of the stream.
        pixels: of the picture.
        size: of the file in bytes, header included.
        quality: by column of a metric; None where it is not defined for so small a picture.
    """

    model: str
    file: Path
    pixels: int
    size: int
    quality: dict[str, float | None]


class Coder:
    """Codes pictures by the models of a pool, each once.

    Args:
        models: by name.
        metrics: that are taken of what the files decode to, by column.
        store: folder of the candidates.
    """

    def __init__(self, models: Mapping[str, FileCodec], metrics: Mapping[str, ImageMetric], store: Path) -> None:
        self.models, self.metrics, self.store = models, metrics, store
        self.keys = {name: _key(codec) for name, codec in models.items()}

    def __call__(self, image: Tensor, model: str) -> Candidate:
        """Of a picture (3,H,W) uint8 and a model's name."""
        return self._kept(image, model, self.keys[model]) or self._made(
            image, model, self.keys[model], self.models[model].encode(image)
        )

    def within(self, image: Tensor, model: str, refinement: Refinement, size: int) -> Candidate | None:
        """Of a picture the file of at most `size` bytes that the λ of a refinement comes nearest to; None if none."""
        codec = copy.copy(self.models[model])
        codec.refine = refinement
        key = f"{_key(codec)}-{size}"
        if kept := self._kept(image, model, key):
            return kept
        try:
            content = Target("bpp", 8 * size / image[0].numel(), shipped=False)(codec, image).content
        except OutOfReachError:
            codec.refine = refinement.at(refinement.objective.lmbda * 2**REACH)
            content = codec.encode(image)
        return self._made(image, model, key, content) if len(content) <= size else None

    def _made(self, image: Tensor, model: str, key: str, content: bytes) -> Candidate:
        pair = image[None].float(), self.models[model].decode(content)[None].float()
        quality = {column: metric(*pair) for column, metric in self.metrics.items()}
        made = Candidate(model, self._file(image, key), image[0].numel(), len(content), quality)
        write_atomically(made.file, content)
        write_atomically(made.file.with_suffix(".json"), json.dumps(asdict(made), default=str).encode())
        return made

    def _kept(self, image: Tensor, model: str, key: str) -> Candidate | None:
        """A candidate from an earlier start, if it was measured by all the metrics that are asked for now."""
        file = self._file(image, key)
        told = file.with_suffix(".json")  # written last
        if not (told.is_file() and file.is_file()):
            return None
        kept = Candidate(**{**json.loads(told.read_text()), "file": file, "model": model})
        whole = file.stat().st_size == kept.size and self.metrics.keys() <= kept.quality.keys()
        return kept if whole else None

    def _file(self, image: Tensor, key: str) -> Path:
        content = f"{tuple(image.shape)}".encode() + image.contiguous().numpy().tobytes()
        return self.store / sha256(content).hexdigest()[:16] / f"{key}.lic"


def _key(codec: FileCodec) -> str:
    told: list[str | float] = [codec.name, codec_fingerprint(codec.codec), codec.padding]
    if codec.refine is not None:
        told += [codec.refine.preset, type(codec.refine.objective).__name__, codec.refine.objective.lmbda]
    return sha256(json.dumps(told).encode()).hexdigest()[:16]
