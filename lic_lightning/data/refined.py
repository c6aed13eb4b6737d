"""Training pictures with latents that were refined once: what an encoder is to give of them.

train split ─► fixed squares ─► the reference's latents, refined ─► store of real streams ─► ŷ beside each square
"""

import logging
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from lic_lightning.codecs.latents import cut
from lic_lightning.codecs.padding import DEFAULT_PADDING
from lic_lightning.data.batch import Batch, Sample, collate
from lic_lightning.data.crops import crop, enlarge
from lic_lightning.data.datamodule import DataModule
from lic_lightning.data.dataset import ImageDataset
from lic_lightning.data.latent_store import Identity, LatentStore, build_store
from lic_lightning.data.sampler import CropSampler, loader
from lic_lightning.refinement import PRESETS, Refinement

log = logging.getLogger("lic.data")


class Tiles:
    """The whole squares of `side` pixels that lie side by side around the middle of each picture of a dataset.

    A refined ŷ belongs to its pixels, so a square can't be moved or mirrored. Smaller pictures are enlarged first.
    """

    def __init__(self, dataset: ImageDataset, side: int) -> None:
        self.dataset, self.side = dataset, side
        self.places = [place for index in range(len(dataset)) for place in self._places(index)]
        self.names = [f"{dataset.names[index]}@{top},{left}" for index, top, left in self.places]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int) -> Sample:
        index, top, left = self.places[number]
        square = crop(enlarge(self.dataset[index], self.side), top, left, self.side)
        return replace(square, name=self.names[number])

    def _places(self, index: int) -> list[tuple[int, int, int]]:
        sides = enlarge(self.dataset[index], self.side).image.shape[1:]
        tops, lefts = (range(side % self.side // 2, side - self.side + 1, self.side) for side in sides)
        return [(index, top, left) for top in tops for left in lefts]


class WithLatents(Dataset[Sample]):
    """Squares with the ŷ (M,h,w) that a store holds of them; the key is a square's number, with a seed or without."""

    def __init__(self, tiles: Tiles, store: LatentStore, codec: nn.Module) -> None:
        self.tiles, self.store, self.codec = tiles, store, codec

    def __len__(self) -> int:
        return len(self.tiles)

    @torch.no_grad()
    def __getitem__(self, key: int | tuple[int, int]) -> Sample:
        number = key if isinstance(key, int) else key[0]
        coded = self.store[number]
        latents = cut(self.codec).read(coded.strings, coded.shape)
        return replace(self.tiles[number], y_hat=latents.y_hat[0])


class RefinedData(DataModule):
    """As `DataModule`, but what trains are fixed squares with their refined latents, from a store.

    Args:
        refine: how they are refined, once.
        reference: the codec whose encoder's latents they were, in eval mode, on the CPU; None where nothing is read.
        codec_name: its name.
        stores: folder of latent stores; what is lacking is made at setup.
        settings: of `DataModule`; those of random crops do nothing.
    """

    def __init__(
        self,
        *,
        refine: Refinement,
        codec_name: str,
        stores: str | Path,
        reference: nn.Module | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.refine, self.codec_name, self.stores, self.reference = refine, codec_name, Path(stores), reference

    @cached_property
    def tiles(self) -> Tiles:
        """All squares of the train split."""
        return Tiles(self.train_set, self.crop)

    @cached_property
    def store(self) -> LatentStore:
        """Their refined latents; what it lacks is made now."""
        assert self.reference is not None
        preset, objective = self.refine.preset, self.refine.objective
        how = f"{preset} {PRESETS[preset]} {type(objective).__name__} {vars(objective)}"
        name = f"{self.category.name}-tiles"
        identity = Identity.of(name, self.codec_name, self.reference, self.tiles, DEFAULT_PADDING, how)
        folder = self.stores / identity.folder
        log.info("refined latents of %d squares in %s; what it lacks is refined now", len(self.tiles), folder)
        return build_store(folder, identity, self.tiles, self.reference, self.refine)

    def setup(self, stage: str | None = None) -> None:
        """As `DataModule`; refines what the store lacks, before the run's clock starts."""
        super().setup(stage)
        self.store  # noqa: B018

    def train_dataloader(self) -> DataLoader[Batch]:
        """Squares with `y_hat`, in an order that the seed fixes."""
        sampler = CropSampler(len(self.tiles), self.seed, self.epoch_size)
        squares: Any = self.tiles if self.reference is None else WithLatents(self.tiles, self.store, self.reference)
        return loader(squares, collate, self.batch_size, self.seed, self.workers, sampler)
