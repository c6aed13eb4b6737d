"""Images coded once, by a frozen codec, to real bitstreams in a folder; ŷ and σ̂ are decoded from there.

    store.json     what was coded by what: data set, image size, codec, fingerprint
    00000.lic-shard, 00001…   magic | length of the index | index (JSON: entries, SHA-256 of the streams) | streams

A shard is whole or absent, and holds the images of its place in the data set's order: a build that was stopped goes on
with the shards that are missing. Streams are the codec's strings as they are, a few kilobytes an image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Size, Tensor, nn

from lic_lightning.codecs.fingerprint import codec_fingerprint
from lic_lightning.codecs.latents import cut, decode, encode, features
from lic_lightning.codecs.padding import DEFAULT_PADDING, Frame
from lic_lightning.codecs.registry import spec
from lic_lightning.data.batch import Sample
from lic_lightning.data.dataset import ImageDataset
from lic_lightning.data.splits import contents
from lic_lightning.files import file_part, write_atomically

STORE, SUFFIX = "store.json", ".lic-shard"
MAGIC = b"LICS\x01"
SHARD = 256  # images


class StoreError(ValueError):
    """A latent store of another codec or data set, or one that is damaged or unfinished; the message says which."""


class Pictures(Protocol):
    """What is coded of a data set: pictures that follow from it and one size, in pixels."""

    dataset: ImageDataset
    side: int
    names: list[str]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


@dataclass(frozen=True)
class Identity:
    """What a store's content depends on."""

    dataset: str
    images: str  # SHA-256 over names and contents (of many, sizes: `splits.contents`)
    image_size: int  # in pixels: short side, or that of squares
    codec: str
    fingerprint: str  # SHA-256 over all of the codec's tensors, the encoder's too
    padding: str  # policy of `codecs.padding`
    refined: str | None = None  # how; None: the latents are as analysed

    @classmethod
    def of(
        cls,
        name: str,
        codec_name: str,
        codec: nn.Module,
        images: Pictures,
        padding: str = DEFAULT_PADDING,
        refined: str | None = None,
    ) -> Identity:
        """The identity of a store of all `images`, coded by `codec`."""
        content = "\n".join(f"{name}|{content}" for name, content in contents(images.dataset).items())
        digest = hashlib.sha256(content.encode()).hexdigest()
        return cls(name, digest, images.side, codec_name, codec_fingerprint(codec), padding, refined)

    @property
    def folder(self) -> str:
        """A name that two stores do not share."""
        # Without what is None, as stores were named before latents could be refined
        content = json.dumps({key: value for key, value in asdict(self).items() if value is not None}, sort_keys=True)
        return f"{file_part(self.dataset)}-{self.codec}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Coded:
    """One image as it is stored."""

    name: str
    label: int
    height: int
    width: int
    strings: list[list[bytes]]
    shape: Any

    @property
    def nbytes(self) -> int:
        """Of all streams."""
        return sum(len(string) for stream in self.strings for string in stream)


class LatentStore:
    """A finished store, read in place. Each shard's digest is checked when it is first read.

    Raises:
        StoreError: not `identity`'s store, or not finished.
    """

    def __init__(self, folder: Path, identity: Identity) -> None:
        self.folder, self.identity = folder, identity
        if not (folder / STORE).is_file():
            raise StoreError(f"no latent store at {folder}: `lic latents` builds one")
        content = json.loads((folder / STORE).read_text())
        self.names: list[str] = content.pop("names")
        for key, mine in asdict(identity).items():
            if content.get(key) != mine:
                raise StoreError(
                    f"the latent store {folder} was built with {key} {_short(content.get(key))}, this run has "
                    f"{_short(mine)}: its latents are others. Leave `store` unset, or build another with `lic latents`"
                )
        self._shards: dict[int, list[Coded]] = {}
        if missing := [i for i in range(shard_count(self.names)) if not shard_path(folder, i).is_file()]:
            raise StoreError(f"the latent store {folder} lacks {len(missing)} shards: `lic latents` goes on with them")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Coded:
        """The streams of one image.

        Raises:
            StoreError: its shard is damaged.
        """
        number, place = divmod(index, SHARD)
        if number not in self._shards:
            self._shards[number] = read_shard(shard_path(self.folder, number))
        return self._shards[number][place]

    def latents(self, index: int, codec: nn.Module) -> dict[str, Tensor]:
        """ŷ and σ̂ (M,h,w) of one image, without the cells of its padding."""
        visible = decoded_latents(self[index], codec, spec(self.identity.codec).stride)
        return {name: tensor[0].clone() for name, tensor in visible.items()}


def build_store(
    folder: Path, identity: Identity, images: Pictures, codec: nn.Module, refine: Any = None
) -> LatentStore:
    """Codes what the store in `folder` still lacks; a finished one is opened as it is.

    Args:
        folder: of this store alone.
        identity: see `Identity.of`.
        images: as they are coded, with labels.
        codec: in eval mode, on the CPU.
        refine: a `Refinement` of what is analysed, or None.
    """
    if not (folder / STORE).is_file():
        content = {**asdict(identity), "names": list(images.names)}
        write_atomically(folder / STORE, json.dumps(content).encode())
    missing = [i for i in range(shard_count(images.names)) if not shard_path(folder, i).is_file()]
    for number in missing:
        shard = range(number * SHARD, min((number + 1) * SHARD, len(images)))
        coded = [code(images, index, codec, identity.codec, identity.padding, refine) for index in shard]
        write_atomically(shard_path(folder, number), pack_shard(coded))
    return LatentStore(folder, identity)


def code(
    images: Pictures,
    index: int,
    codec: nn.Module,
    codec_name: str,
    padding: str = DEFAULT_PADDING,
    refine: Any = None,
) -> Coded:
    """One image as real bytes."""
    sample = images[index]
    encoded = encode(codec, sample.image, spec(codec_name).stride, padding, refine)
    height, width = sample.image.shape[1:]
    return Coded(sample.name, sample.label or 0, height, width, encoded["strings"], encoded["shape"])


def pack_shard(entries: Sequence[Coded]) -> bytes:
    """The bytes of a shard."""
    streams = b"".join(string for entry in entries for [string] in entry.strings)
    index = {
        "sha256": hashlib.sha256(streams).hexdigest(),
        "entries": [
            {
                "name": e.name,
                "label": e.label,
                "size": [e.height, e.width],
                "lengths": [len(string) for [string] in e.strings],
                "shape": e.shape,
            }
            for e in entries
        ],
    }
    header = json.dumps(index).encode()
    return b"".join([MAGIC, len(header).to_bytes(4, "little"), header, streams])


def read_shard(path: Path) -> list[Coded]:
    """The images of a shard.

    Raises:
        StoreError: not a shard, cut short or altered.
    """
    data = path.read_bytes()
    start = len(MAGIC) + 4
    length = int.from_bytes(data[len(MAGIC) : start], "little")
    streams = data[start + length :]
    try:
        index = json.loads(data[start : start + length])
        whole = data.startswith(MAGIC) and hashlib.sha256(streams).hexdigest() == index["sha256"]
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise StoreError(f"{path} is damaged: delete it, and `lic latents` codes its images again")
    entries, position = [], 0
    for entry in index["entries"]:
        strings = []
        for size in entry["lengths"]:
            strings.append([streams[position : position + size]])
            position += size
        height, width = entry["size"]
        entries.append(Coded(entry["name"], entry["label"], height, width, strings, _shape(entry["shape"])))
    return entries


@torch.inference_mode()
def decoded_latents(coded: Coded, codec: nn.Module, stride: int) -> dict[str, Tensor]:
    """What a head sees: "y_hat" and "scales" (1,M,h,w), without the cells of the padding."""
    latents = cut(codec).read(coded.strings, coded.shape)
    return Frame(coded.height, coded.width, stride).visible(features(latents))


def decoded_image(coded: Coded, codec: nn.Module, stride: int) -> Tensor:
    """What a person would see: (3,H,W) uint8."""
    encoded = {"strings": coded.strings, "shape": coded.shape}
    return decode(codec, encoded, Frame(coded.height, coded.width, stride)).clone()


def shard_path(folder: Path, number: int) -> Path:
    """Where a shard lies."""
    return folder / f"{number:05d}{SUFFIX}"


def shard_count(names: Sequence[str]) -> int:
    """How many shards hold that many images."""
    return -(-len(names) // SHARD)


def _shape(value: Any) -> Any:
    """JSON's lists as the sizes that codecs expect; ELIC's shape is a dict of them."""
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return [_shape(item) for item in value] if value and isinstance(value[0], list) else Size(value)


def _short(value: Any) -> str:
    return repr(f"{value[:12]}…" if isinstance(value, str) and len(value) == 64 else value)
