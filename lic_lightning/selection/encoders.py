"""The encoders that a folder holds for one deployed decoder: finished runs, deltas, weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lic_lightning.bitstream import FileCodec
from lic_lightning.bitstream.decoders import SUFFIXES
from lic_lightning.codecs.delta import SUFFIX, apply_delta, read_delta
from lic_lightning.codecs.weights import load_codec
from lic_lightning.runs.folder import run_folders
from lic_lightning.runs.run import WEIGHTS

REFERENCE = "reference"  # the base's own encoder


class EncodersError(ValueError):
    """A folder without usable encoders, or with one for another decoder; the message names it."""


@dataclass(frozen=True)
class Found:
    """An encoder on the disk; codec and λ are None where its file does not say them."""

    name: str
    path: Path
    codec: str | None = None
    lmbda: float | None = None


def load_encoders(source: Path, base: FileCodec, lmbda: float) -> dict[str, FileCodec]:
    """Encoders by name, the base's own first, as `reference`.

    Args:
        source: a sweep's folder, one run's, a folder of deltas or weights, or one such file. A run or a delta is
            called by its category, weights by their file's name. Those of other codecs or λ are passed over.
        base: the deployed decoder, with the encoder that belongs to it.
        lmbda: that the encoders were tuned for.

    Raises:
        FileNotFoundError: nothing there.
        EncodersError: no encoder fits, two have one name, or one does not write for the base's decoder.
        DeltaError: a delta was made against other weights than the base's.
    """
    if not source.exists():
        raise FileNotFoundError(f"no encoders at {source}")
    found = list(_find(source))
    fitting = [one for one in found if one.codec in (None, base.name) and one.lmbda in (None, lmbda)]
    if not fitting:
        there = ", ".join(sorted({f"{f.name} ({f.codec}, lmbda {f.lmbda:g})" for f in found})) or "nothing"
        raise EncodersError(f"{source} has no encoder for {base.name} at lmbda {lmbda:g}; it has {there}")
    encoders, paths = {REFERENCE: base}, {REFERENCE: Path("the base")}
    for one in fitting:
        if one.name in encoders:
            raise EncodersError(f"two encoders are called {one.name}: {paths[one.name]} and {one.path}; name one")
        encoders[one.name], paths[one.name] = _load(one, base), one.path
    return encoders


def _find(source: Path) -> Iterator[Found]:
    if source.is_dir():
        for run in run_folders(source):
            if run.rows and (run.path / WEIGHTS).is_file():
                yield Found(run.category, run.weights, run.codec, run.lmbda)
    files = [source] if source.is_file() else sorted(p for p in source.iterdir() if p.name != WEIGHTS and p.is_file())
    for path in files:
        if path.name.endswith(SUFFIX):
            info = read_delta(path).info
            yield Found(info.category, path, info.codec, info.lmbda)
        elif path.suffix in SUFFIXES:
            yield Found(path.name.partition(".")[0], path)


def _load(one: Found, base: FileCodec) -> FileCodec:
    if one.path.name.endswith(SUFFIX):
        codec = apply_delta(base.codec, read_delta(one.path))
    else:
        codec = load_codec(base.name, weights=str(one.path), lmbda=1.0)  # with a path, λ picks nothing
    loaded = FileCodec(base.name, codec, base.padding, base.refine)
    if loaded.fingerprint != base.fingerprint:
        raise EncodersError(
            f"the encoder {one.name} ({one.path}) writes for decoder {loaded.fingerprint.hex()}, but the base has "
            f"{base.fingerprint.hex()}: the deployed decoder could not read it"
        )
    return loaded
