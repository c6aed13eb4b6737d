"""Deltas: what a tuned encoder changes in the codec that it was tuned from, in one file.

One decoder is deployed; each encoder comes as a delta. Tensors are stored whole and exact, not as differences: an
encoder read back writes the same bytes, bit for bit. Of another analysis all are stored, and their names say which.
"""

import copy
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor, nn

from lic_lightning.codecs.analysis import analysis_in, analysis_of, put_analysis
from lic_lightning.codecs.described import described, load_described
from lic_lightning.codecs.fingerprint import codec_fingerprint
from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.roles import named_tensors, tensor_roles
from lic_lightning.files import write_atomically

SUFFIX = ".delta.safetensors"
KEY = "lic_lightning.codecs.delta"


class DeltaError(ValueError):
    """A delta that can't be made, or does not fit the codec it is put on; the message says why."""


@dataclass(frozen=True)
class DeltaInfo:
    """What a delta says of itself.

    Attributes:
        codec: registered name.
        category: what the encoder was tuned on.
        lmbda: that it was tuned for.
        base: fingerprint of all tensors of the codec that it belongs on.
    """

    codec: str
    category: str
    lmbda: float
    base: str


@dataclass(frozen=True)
class Delta:
    """A delta in memory: by name the tensors that changed."""

    info: DeltaInfo
    tensors: dict[str, Tensor]

    def pack(self) -> bytes:
        """The file's bytes."""
        return described(self.tensors, KEY, asdict(self.info))


def delta(name: str, base: nn.Module, tuned: nn.Module, category: str, lmbda: float) -> Delta:
    """What differs between two codecs registered as `name`.

    Raises:
        DeltaError: a decoder-side tensor differs, or a shape; the base is no deployed codec.
    """
    if found := analysis_of(base):
        raise DeltaError(f"the base has the analysis {found}: name the deployed codec, with its own (--base shipped)")
    before, roles = dict(named_tensors(base)), tensor_roles(tuned, spec(name).roles)
    changed = {n: t.detach().cpu() for n, t in named_tensors(tuned) if n not in before or not t.equal(before[n])}
    if moved := [n for n in changed if roles[n] != "encoder"]:
        raise DeltaError(
            f"the decoder moved ({moved[0]} and {len(moved) - 1} more tensors): a delta is of an encoder under the "
            "fixed decoder; export the whole codec, without --delta"
        )
    return Delta(DeltaInfo(name, category, lmbda, codec_fingerprint(base)), changed)


def write_delta(path: Path, made: Delta) -> None:
    """Writes a delta, whole or not at all.

    Raises:
        DeltaError: the name does not end in `.delta.safetensors`, by which deltas are known.
    """
    if not path.name.endswith(SUFFIX):
        raise DeltaError(f"{path}: a delta's name ends in {SUFFIX}")
    write_atomically(path, made.pack())


def read_delta(path: Path) -> Delta:
    """A delta from its file; nothing in it is executed.

    Raises:
        FileNotFoundError: no such file.
        DeltaError: not a delta.
    """
    about, tensors = load_described(path, KEY, "delta", DeltaError, "export --delta")
    try:
        return Delta(DeltaInfo(**about), tensors)
    except TypeError as error:
        raise DeltaError(f"{path} says of its delta {about}") from error


def apply_delta(base: nn.Module, made: Delta) -> nn.Module:
    """A copy of `base` with the delta's encoder.

    Raises:
        DeltaError: the delta was made against another codec.
        ValueError: its analysis is not registered here.
    """
    if (found := codec_fingerprint(base)) != made.info.base:
        raise DeltaError(
            f"the delta of {made.info.category} belongs on {made.info.codec} {made.info.base[:12]} (lmbda "
            f"{made.info.lmbda:g}), but these weights are {found[:12]}"
        )
    codec = copy.deepcopy(base)
    if analysis := analysis_in(made.tensors):
        put_analysis(analysis, made.info.codec, codec)
    tensors = dict(named_tensors(codec))
    for name, tensor in made.tensors.items():
        tensors[name].data.copy_(tensor)
    return codec
