"""A pool: codecs among which one is chosen for each picture of a set, each read by a decoder of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from lic_lightning.bitstream.decoders import SUFFIXES
from lic_lightning.codecs.shipped import shipped_lmbdas
from lic_lightning.codecs.weights import load_codec
from lic_lightning.runs.folder import run_folders
from lic_lightning.runs.run import RESULTS, WEIGHTS

SHIPPED = "shipped"


class PoolError(ValueError):
    """A pool without models; the message says where they were looked for."""


@dataclass(frozen=True)
class Model:
    """A codec on the disk.

    Attributes:
        name: in tables; one of each in a pool.
        codec: that it is registered under.
        weights: as `load_codec` takes them.
        lmbda: that it was trained for, and that picks the shipped weights; None if nothing says it.
        objective: that it was trained by, as a run's config has it.
    """

    name: str
    codec: str
    weights: str
    lmbda: float | None
    objective: Mapping[str, Any] = field(default_factory=lambda: {"metric": "mse"})

    def load(self) -> nn.Module:
        """The codec."""
        return load_codec(self.codec, weights=self.weights, lmbda=self.lmbda or 1.0)


def find_pool(source: str, codec: str) -> list[Model]:
    """The models of a pool.

    Args:
        source: "shipped", all λ that ship for the codec; a sweep's folder, whose finished runs they are; or a folder of
            weights files.
        codec: of "shipped", and of weights files, which do not say it.

    Raises:
        FileNotFoundError: no such folder.
        PoolError: nothing in it.
    """
    if source == SHIPPED:
        found = [Model(f"lmbda {lmbda:g}", codec, SHIPPED, lmbda) for lmbda in shipped_lmbdas(codec)]
    elif any(Path(source).glob(f"*/{RESULTS}")):
        runs = [run for run in run_folders(Path(source)) if run.rows and (run.path / WEIGHTS).is_file()]
        found = [
            Model(f"{r.name} (lmbda {r.lmbda:g})", r.codec, str(r.weights), r.lmbda, r.setting("objective"))
            for r in runs
        ]
    else:
        files = sorted(path for path in Path(source).iterdir() if path.suffix in SUFFIXES)
        found = [Model(path.name, codec, str(path), None) for path in files]
    if not found:
        raise PoolError(
            f"no models in the pool {source}: it is the folder of a sweep with finished runs, a folder of weights "
            f"({' '.join(SUFFIXES)}), or 'shipped', which {codec} has {'none' if source == SHIPPED else 'some'} of"
        )
    return found
