"""Photographs by category as small squares in memory: what a light classifier learns from."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lic_lightning.data.datamodule import DataModule
from lic_lightning.data.dataset import Category, ImageDataset
from lic_lightning.data.recognition import Features, collate_features
from lic_lightning.data.sampler import CropSampler, loader
from lic_lightning.data.splits import PARTS, contents, keep_splits

STORED = 1.25  # of the network's size is what is kept of a picture: room for the random crops


class Views(Dataset[Features]):
    """Squares with labels: (index, seed) is an augmented one that depends on the seed alone, an index the square."""

    def __init__(self, pixels: Tensor, labels: Sequence[int], augment: Callable[[Tensor], Tensor]) -> None:
        self.pixels, self.labels, self.augment = pixels, labels, augment

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, key: int | tuple[int, int]) -> Features:
        if isinstance(key, int):
            return Features({"image": self.pixels[key]}, self.labels[key], str(key))
        index, seed = key
        with torch.random.fork_rng(devices=[]):  # torchvision's transforms draw from the global generator
            torch.manual_seed(seed)
            return Features({"image": self.augment(self.pixels[index])}, self.labels[index], str(index))


class Squares(LightningDataModule):
    """Squares of the categories' train and val splits, and the whole photographs of their test splits.

    Args:
        categories: those that have an encoder, by name.
        rejected: photographs of no category, likewise.
        square: makes a square (3,size,size) uint8 of a picture (3,H,W) and a size.
        size: pixels that the network sees.
        augment: of a training square.
        split_seed: as of the encoders' runs, whose splits these are.
        batch_size: pictures a step.
        threads: that decode pictures.
        seed: of order and augmentation.

    Raises:
        ValueError: a category has no test split (at setup).
    """

    def __init__(
        self,
        categories: Mapping[str, Category],
        rejected: Mapping[str, Category],
        square: Callable[[Tensor, int], Tensor],
        size: int,
        augment: Callable[[Tensor], Tensor],
        split_seed: int = 0,
        batch_size: int = 32,
        threads: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        everything = {**categories, **rejected}
        self.parts = {name: DataModule(category, split_seed=split_seed) for name, category in everything.items()}
        self.rejected, self.square, self.size, self.augment = tuple(rejected), square, size, augment
        self.batch_size, self.threads, self.seed = batch_size, threads, seed

    def setup(self, stage: str | None = None) -> None:
        """Refuses a photograph that stands on two sides."""
        for name, part in self.parts.items():
            part.setup()
            if not part.splits["test"]:
                raise ValueError(f"category {name} has no test split for the classifier to be judged on")

    def keep_splits(self, path: Path) -> None:
        """Takes the splits of the folder whose file this is; draws and writes them at its first start.

        Raises:
            PhotographsChangedError: it was made from other photographs.
        """
        photographs = {
            f"{name}/{photograph}": f"{name} {content}"
            for name, part in self.parts.items()
            for photograph, content in contents(part.category.dataset).items()
        }
        kept = keep_splits(path, photographs, {}, self._splits)
        for name, part in self.parts.items():
            own = f"{name}/"
            part.splits = {p: [n.removeprefix(own) for n in kept[p] if n.startswith(own)] for p in PARTS}

    def _splits(self) -> dict[str, list[str]]:
        return {p: [f"{name}/{n}" for name, part in self.parts.items() for n in part.splits[p]] for p in PARTS}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the categories, in the order of the labels; those that are rejected last."""
        return tuple(self.parts)

    @property
    def sizes(self) -> dict[str, tuple[str, ...]]:
        """What a classifier must know of the categories."""
        return {"categories": self.classes, "rejected": self.rejected}

    @property
    def counts(self) -> list[int]:
        """Training photographs of each category."""
        return [len(part.train_set) for part in self.parts.values()]

    @property
    def tests(self) -> dict[str, Any]:
        """Whole photographs by category."""
        return {name: part.test_sets[name] for name, part in self.parts.items()}

    def train_dataloader(self) -> DataLoader:
        """Augmented squares, in an order that the seed fixes."""
        sampler = CropSampler(len(self._train), self.seed)
        return loader(self._train, collate_features, self.batch_size, self.seed, sampler=sampler)

    def val_dataloader(self) -> DataLoader:
        """Squares as they are."""
        return loader(self._val, collate_features, self.batch_size, self.seed)

    @cached_property
    def _train(self) -> Views:
        return self._views([part.train_set for part in self.parts.values()], round(STORED * self.size))

    @cached_property
    def _val(self) -> Views:
        return self._views([part.val_set for part in self.parts.values()], self.size)

    def _views(self, sets: Sequence[ImageDataset], size: int) -> Views:
        where = [(label, index) for label, images in enumerate(sets) for index in range(len(images))]
        with ThreadPoolExecutor(self.threads) as pool:  # Pillow decodes outside the interpreter's lock
            squares = pool.map(lambda at: self.square(sets[at[0]][at[1]].image, size), where)
            return Views(torch.stack(list(squares)), [label for label, _ in where], self.augment)
