"""From a category to training and validation batches, and to the test sets of whole pictures."""

import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch.distributed as dist
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, DistributedSampler, Sampler

from lic_lightning.data.batch import Batch, collate
from lic_lightning.data.crops import Augment, Crops
from lic_lightning.data.dataset import Category, ImageDataset, InMemory, Subset
from lic_lightning.data.images import CorruptImageError
from lic_lightning.data.sampler import CropSampler, loader
from lic_lightning.data.splits import (
    PARTS,
    PhotographsChangedError,
    check_disjoint,
    contents,
    draw_splits,
    keep_splits,
    read_splits,
    some,
)

log = logging.getLogger(__name__)


class DataModule(LightningDataModule):
    """Random crops of a category's train split, central crops of its val split, whole test pictures.

    Args:
        category: name, dataset and split (all counts or all fractions of train, val, test).
        test_sets: more to evaluate on, by name: datasets, or categories, which stand for their test splits. One
            of the category's own name is the category's own test split.
        crop: side of the square crops, pixels; smaller pictures are enlarged.
        batch_size: per process.
        workers: loader processes, at most one a CPU core; 0 loads in the main process.
        seed: fixes order, crops and flips of each epoch.
        split_seed: fixes the split; apart from `seed`, so that runs of different seeds share their test set.
        split_file: splits to use instead of drawing them, as a cell's splits.json has them.
        epoch_size: samples an epoch over all ranks; default, the train split once.
        hflip: mirror half of the training crops left-right.
        vflip: mirror half of the training crops upside down.
        padding: of training pictures, see `Crops`; None: crops lie within the picture.
        stride: of the codec that they are for.
        cache: keep train and val pictures decoded in memory.
        on_corrupt: `error` stops at the first broken file; `skip` decodes all files once at the start and
            leaves the broken ones out, listed in `skipped`.
        augment: changes the pixels of training crops (3, crop, crop) uint8: a transform of torchvision's v2, say.

    Raises:
        ValueError: too few pictures for the split, or two parts share a picture by content (at setup).
    """

    def __init__(
        self,
        category: Category,
        test_sets: Mapping[str, ImageDataset | Category] | None = None,
        crop: int = 256,
        batch_size: int = 32,
        workers: int = 4,
        seed: int = 0,
        split_seed: int = 0,
        split_file: str | Path | None = None,
        epoch_size: int | None = None,
        hflip: bool = True,
        vflip: bool = False,
        padding: str | None = None,
        cache: bool = False,
        on_corrupt: Literal["error", "skip"] = "error",
        augment: Augment | None = None,
        stride: int = 64,
    ) -> None:
        super().__init__()
        if on_corrupt not in ("error", "skip"):
            raise ValueError(f"data.on_corrupt must be error or skip, got {on_corrupt}")
        self.category = category
        self._extra = {name: test_split(data, split_seed) for name, data in (test_sets or {}).items()}
        self.crop, self.batch_size, self.workers = crop, batch_size, min(workers, os.cpu_count() or 1)
        self.seed, self.split_seed, self.split_file = seed, split_seed, split_file
        self.epoch_size, self.hflip, self.vflip = epoch_size, hflip, vflip
        self.padding, self.stride = padding, stride
        self.cache, self.on_corrupt, self.augment = cache, on_corrupt, augment
        self._checked = False

    @cached_property
    def skipped(self) -> dict[str, list[str]]:
        """Broken files left out, by dataset name: empty unless `on_corrupt` is `skip`."""
        if self.on_corrupt == "error":
            return {}
        sets = {self.category.name: self.category.dataset, **self._extra}
        broken = {name: _broken(dataset, self.workers) for name, dataset in sets.items()}
        for name, files in broken.items():
            if files:
                log.warning("%s: skipping %d corrupt images: %s", name, len(files), ", ".join(files))
        return {name: files for name, files in broken.items() if files}

    @cached_property
    def splits(self) -> dict[str, list[str]]:
        """The category's picture names under train, val and test."""
        skip = set(self.skipped.get(self.category.name, ()))
        if self.split_file is not None:
            stored = read_splits(self.split_file, self.category.dataset.names)
            return {part: [name for name in names if name not in skip] for part, names in stored.items()}
        names = [name for name in self.category.dataset.names if name not in skip]
        try:
            return draw_splits(names, self.category.split, self.split_seed)
        except ValueError as error:
            raise ValueError(f"category {self.category.name}: {error}") from error

    def keep_splits(self, path: Path) -> None:
        """Takes the splits of the cell whose file this is; draws and writes them at the cell's first start.

        `split_file` can take such a file up in another cell.

        Raises:
            PhotographsChangedError: the cell was made from other photographs, or from other splits of them.
        """
        file = self.split_file is not None
        kept = keep_splits(
            path,
            contents(self.category.dataset),
            {f"test set {name}": contents(dataset) for name, dataset in self._extra.items()},
            lambda: {"category": self.category.name, **self.splits, "skipped": self.skipped, "from_file": file},
        )
        splits = {part: kept[part] for part in PARTS}
        if (file or kept["from_file"]) and (moved := _moved(splits, self.splits)):
            raise PhotographsChangedError(
                f"the cell in {path.parent} has other splits than {self.split_file or 'those that are drawn'}: "
                f"{len(moved)} photographs elsewhere, {some(moved)}; set data.split_file={path}, or delete the folder"
            )
        self.splits = splits

    @cached_property
    def train_set(self) -> ImageDataset:
        """The whole pictures that train."""
        return self._held("train")

    @cached_property
    def val_set(self) -> ImageDataset:
        """The whole pictures that validate."""
        return self._held("val")

    @cached_property
    def test_sets(self) -> dict[str, ImageDataset]:
        """Whole pictures by test set: the category's own held-out split under its name, then the others."""
        extra = {name: _without(data, self.skipped.get(name)) for name, data in self._extra.items()}
        own = {self.category.name: self._part("test")} if self.splits["test"] else {}
        return own | {name: data for name, data in extra.items() if name not in own}

    def setup(self, stage: str | None = None) -> None:
        """Refuse a picture that stands on two sides. Lightning calls it, once a stage; once is enough."""
        if self._checked:
            return
        seen = {"train": self._part("train"), "val": self._part("val")}
        check_disjoint(seen)
        for name, dataset in self.test_sets.items():
            check_disjoint({**seen, f"test set {name}": dataset})
        self._checked = True

    def train_dataloader(self) -> DataLoader[Batch]:
        """Random crops, (B, 3, crop, crop)."""
        sampler = CropSampler(len(self.train_set), self.seed, self.epoch_size)
        crops = Crops(self.train_set, self.crop, self.hflip, self.vflip, self.augment, self.padding, self.stride)
        return loader(crops, collate, self.batch_size, self.seed, self.workers, sampler)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Central crops in a fixed order. Over several ranks the last are repeated to make shards even."""
        crops = Crops(self.val_set, self.crop)
        ranks = dist.is_available() and dist.is_initialized()
        sampler: Sampler | None = DistributedSampler(crops, shuffle=False) if ranks else None
        return loader(crops, collate, self.batch_size, self.seed, self.workers, sampler)

    def _part(self, part: str) -> ImageDataset:
        position = {name: i for i, name in enumerate(self.category.dataset.names)}
        return Subset(self.category.dataset, [position[name] for name in self.splits[part]])

    def _held(self, part: str) -> ImageDataset:
        return InMemory(self._part(part), self.workers) if self.cache else self._part(part)


def _moved(splits: Mapping[str, list[str]], others: Mapping[str, list[str]]) -> set[str]:
    """The pictures that are not in the same parts of two splits."""
    return {name for part in PARTS for name in set(splits[part]) ^ set(others[part])}


def test_split(data: ImageDataset | Category, seed: int) -> ImageDataset:
    """The held-out pictures of a category; a dataset is a test set as a whole."""
    if not isinstance(data, Category):
        return data
    names = set(draw_splits(data.dataset.names, data.split, seed)["test"])
    return Subset(data.dataset, [i for i, name in enumerate(data.dataset.names) if name in names])


def _without(dataset: ImageDataset, skip: list[str] | None) -> ImageDataset:
    if not skip:
        return dataset
    return Subset(dataset, [i for i, name in enumerate(dataset.names) if name not in skip])


def _broken(dataset: ImageDataset, workers: int) -> list[str]:
    def decodes(index: int) -> bool:
        try:
            dataset[index]
        except CorruptImageError:
            return False
        return True

    with ThreadPoolExecutor(max(workers, 1)) as pool:  # Pillow decodes outside the interpreter's lock
        good = pool.map(decodes, range(len(dataset)))
    return [name for name, ok in zip(dataset.names, good, strict=True) if not ok]
