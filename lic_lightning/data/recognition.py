"""From a classification data set to what heads train on: latents from a store, decoded or original pixels, or images.

source      a sample is                                      its batch is
latents     ŷ and σ̂, decoded from the store, one view        Features
decoded     the image that the store's stream decodes to     Features
originals   the image itself                                 Features
joint       the image, for a codec that trains               Batch
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from lic_lightning.codecs.latents import cut, features
from lic_lightning.codecs.padding import DEFAULT_PADDING
from lic_lightning.codecs.registry import spec
from lic_lightning.data.batch import collate
from lic_lightning.data.crops import Crops
from lic_lightning.data.dataset import ImageDataset, InMemory
from lic_lightning.data.latent_store import Identity, LatentStore, build_store, decoded_image
from lic_lightning.data.layouts.class_folders import Classification, Resized
from lic_lightning.data.sampler import CropSampler, loader
from lic_lightning.data.splits import PARTS, check_disjoint, contents, keep_splits
from lic_lightning.heads.view import View

log = logging.getLogger("lic.data")

Source = Literal["latents", "decoded", "originals", "joint"]
SOURCES: tuple[Source, ...] = get_args(Source)


@dataclass
class Features:
    """What a head takes: of one image, or of a batch of B.

    Attributes:
        values: "y_hat" and "scales" (B,M,h,w), or "image" (B,3,H,W) in [0, 1].
        label: int, or (B,) int64.
        name: of the image, or a list of B.
    """

    values: dict[str, Tensor]
    label: Any
    name: Any

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Features:
        """The same on another device."""
        values = {name: tensor.to(device, non_blocking=non_blocking) for name, tensor in self.values.items()}
        return replace(self, values=values, label=self.label.to(device, non_blocking=non_blocking))


def collate_features(samples: Sequence[Features]) -> Features:
    """Stacks features of one size into a batch."""
    values = {name: torch.stack([sample.values[name] for sample in samples]) for name in samples[0].values}
    return Features(values, torch.tensor([s.label for s in samples]), [s.name for s in samples])


@dataclass(frozen=True)
class FeatureSource:
    """Whole images as features, not yet viewed: each read anew when it is asked for, by its index where it is kept."""

    names: Sequence[str]
    indices: Sequence[int]
    read: Callable[[int], Features]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Features:
        return self.read(self.indices[index])


def stored_latents(store: LatentStore, codec: nn.Module, index: int) -> Features:
    """ŷ and σ̂ of one image of a store."""
    return Features(store.latents(index, codec), store[index].label, store[index].name)


def stored_pixels(store: LatentStore, codec: nn.Module, index: int) -> Features:
    """The image that the streams decode to, synthesis included."""
    image = decoded_image(store[index], codec, spec(store.identity.codec).stride)
    return Features({"image": image.float() / 255}, store[index].label, store[index].name)


def pixels(dataset: ImageDataset, index: int) -> Features:
    """An image of a data set."""
    sample = dataset[index]
    return Features({"image": sample.image.float() / 255}, sample.label, sample.name)


class Views(Dataset[Features]):
    """Views of a source's images: (index, seed) is a random one that depends on the seed alone, an index the centre."""

    def __init__(self, source: FeatureSource, view: View) -> None:
        self.source, self.view = source, view

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: int | tuple[int, int]) -> Features:
        index, draws = (key, None) if isinstance(key, int) else (key[0], _draws(key[1]))
        sample = self.source[index]
        viewed = self.view({name: tensor[None] for name, tensor in sample.values.items()}, draws)
        return replace(sample, values={name: tensor[0] for name, tensor in viewed.items()})


class RecognitionData(LightningDataModule):
    """Training and validation batches of a classification set, and its test images, whole, for the end.

    Args:
        classification: the data set and its splits.
        source: "latents", "decoded", "originals" or "joint".
        image_size: short side of the images in pixels, as they are coded.
        view: of latents, or of pixels.
        batch_size: per process.
        workers: loader processes, which decode the store's streams.
        seed: fixes order, crops and flips.
        cache: keep what the source gives in memory: streams are then decoded once.
        start: the codec, in eval mode; None for originals. Its latents and images come from a store.
        codec_name: its name.
        padding: of the images that it codes.
        store: a latent store's folder, which must be of this codec; None chooses one in `stores` by what it holds.
        stores: folder of latent stores.

    Raises:
        ValueError: unknown source; images that a codec that trains can't take; two splits share a picture by content
            (at setup).
    """

    def __init__(
        self,
        classification: Classification,
        source: Source,
        image_size: int,
        view: View,
        batch_size: int = 32,
        workers: int = 2,
        seed: int = 0,
        cache: bool = False,
        start: nn.Module | None = None,
        codec_name: str = "",
        padding: str = DEFAULT_PADDING,
        store: str | Path | None = None,
        stores: str | Path = "latents",
    ) -> None:
        super().__init__()
        if source not in SOURCES:
            raise ValueError(f"task.source must be one of {', '.join(SOURCES)}, got {source!r}")
        if source == "joint" and image_size % (stride := spec(codec_name).stride):
            raise ValueError(f"image_size={image_size} must be a multiple of {stride}, the stride of {codec_name}")
        self.classification, self.source, self.image_size, self.view = classification, source, image_size, view
        self.batch_size, self.workers, self.seed, self.cache = batch_size, workers, seed, cache
        self.start, self.codec_name, self.folder, self.stores = start, codec_name, store, Path(stores)
        self.padding = padding
        self._checked = False

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return self.classification.classes

    @property
    def sizes(self) -> dict[str, int]:
        """What a head must fit: the number of classes and, where it sees latents, of ŷ's channels.

        Raises:
            LatentsError: the codec has no latents that a head could read.
        """
        sizes = {"classes": len(self.classes)}
        if self.source in ("decoded", "originals") or self.start is None:
            return sizes
        stride = spec(self.codec_name).stride
        with torch.no_grad():
            latents = cut(self.start).analyse(torch.zeros(1, 3, stride, stride))
            return {**sizes, "channels": features(latents)["y_hat"].size(1)}

    @property
    def counts(self) -> list[int]:
        """Training images of each class."""
        part = self.classification.part("train")
        labels = [self.classification.dataset.labels[index] for index in part.indices]
        return [labels.count(label) for label in range(len(self.classes))]

    @cached_property
    def store(self) -> LatentStore | None:
        """The latent store of this data set and this codec; what it lacks is coded now. None where none is read."""
        if self.start is None or self.source == "joint":
            return None
        images = Resized(self.classification.dataset, self.image_size)
        identity = Identity.of(
            self.classification.name.partition("-")[0], self.codec_name, self.start, images, self.padding
        )
        folder = Path(self.folder) if self.folder else self.stores / identity.folder
        log.info("latent store %s of %d images; what it lacks is coded now", folder, len(images))
        return build_store(folder, identity, images, self.start)

    def setup(self, stage: str | None = None) -> None:
        """Refuses a picture that stands in two splits; builds the latent store."""
        if not self._checked:
            check_disjoint({part: self.classification.part(part) for part in ("train", "val", "test")})
            self._checked = True
        self.store  # noqa: B018 - built before the run's clock starts

    def keep_splits(self, path: Path) -> None:
        """Takes the splits of the cell whose file this is; writes them at the cell's first start.

        Raises:
            PhotographsChangedError: the cell was made from other images.
        """
        dataset = self.classification.dataset
        labelled = {
            name: f"{self.classes[label]} {content}"
            for label, (name, content) in zip(dataset.labels, contents(dataset).items(), strict=True)
        }
        kept = keep_splits(path, labelled, {}, lambda: self.classification.splits)
        self.classification = replace(self.classification, splits={part: kept[part] for part in PARTS})

    def images(self, part: str) -> Resized:
        """The whole images of a split, as they are coded."""
        return Resized(self.classification.part(part), self.image_size)

    def features(self, part: str) -> FeatureSource:
        """The whole features of a split, not yet viewed."""
        if self.source == "originals":
            images = self.images(part)
            return FeatureSource(images.names, range(len(images)), partial(pixels, images))
        assert self.store is not None
        assert self.start is not None
        position = {name: index for index, name in enumerate(self.store.names)}
        names = self.classification.splits[part]
        read = stored_latents if self.source == "latents" else stored_pixels
        return FeatureSource(names, [position[name] for name in names], partial(read, self.store, self.start))

    def train_dataloader(self) -> DataLoader:
        """Random views, in an order that the seed fixes."""
        return self._loader(self._train, CropSampler(len(self._train), self.seed))

    def val_dataloader(self) -> DataLoader:
        """Central views."""
        return self._loader(self._val, None)

    @cached_property
    def _train(self) -> Views | Crops:
        return self._dataset("train")

    @cached_property
    def _val(self) -> Views | Crops:
        return self._dataset("val")

    def _dataset(self, part: str) -> Views | Crops:
        joint = self.source == "joint"
        source: Any = self.images(part) if joint else self.features(part)
        held: Any = InMemory(source, self.workers) if self.cache else source
        # A codec's images are mirrored with their latents, after coding
        return Crops(held, self.image_size, hflip=False) if joint else Views(held, self.view)

    def _loader(self, dataset: Dataset, sampler: CropSampler | None) -> DataLoader:
        stack = collate if self.source == "joint" else collate_features
        return loader(dataset, stack, self.batch_size, self.seed, self.workers, sampler)


def _draws(seed: int) -> Tensor:
    return torch.rand(1, 3, generator=torch.Generator().manual_seed(seed))
