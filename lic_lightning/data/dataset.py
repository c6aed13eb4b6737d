"""What the platform asks of a dataset, and how datasets are cut and joined."""

import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from lic_lightning.data.batch import Sample


class ImageDataset(Protocol):
    """A map-style dataset of whole pictures. `names` are unique and in a stable order."""

    @property
    def names(self) -> Sequence[str]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """The whole picture. Raises CorruptImageError when its file cannot be decoded."""

    def nbytes(self, index: int) -> int:
        """A cheap number that equal pictures share: the file's size in bytes."""

    def digest(self, index: int) -> str:
        """SHA-256 of the file's bytes (of the pixels where there is no file of its own)."""


class DatasetNotFoundError(FileNotFoundError):
    """A dataset is not where it was looked for; says where, the layout expected, and how to get it."""


def not_found(what: str, root: Path, layout: str, get: str) -> DatasetNotFoundError:
    """The error for a missing dataset, in the same words for all of them."""
    return DatasetNotFoundError(
        f"{what} was not found at {root.absolute()}. Expected layout: {layout}. How to get it: {get}. "
        "Then point paths.data (or the environment variable LIC_DATA) at the folder that contains it."
    )


class MalformedDatasetError(ValueError):
    """A dataset is there, but not as its layout says; says what is wrong, and where."""


def check_files(what: str, root: Path, names: Sequence[str], named_by: Path | str) -> None:
    """Refuse a dataset that lacks pictures which it should have. Reads directories only, opens no file.

    Raises:
        MalformedDatasetError: some of `names` are no files below `root`; says how many, and the first three.
    """
    gone = [name for name in names if not os.path.isfile(os.path.join(root, name))]
    if gone:
        raise MalformedDatasetError(
            f"{what} is incomplete: {len(gone)} of {len(names)} files that {named_by} names are not below "
            f"{root.absolute()}: {', '.join(gone[:3])}{', …' if len(gone) > 3 else ''}. Unpack the archive again"
        )


@dataclass
class Category:
    """A content class of photographs: its name in results, its pictures, how they are split."""

    name: str
    dataset: ImageDataset
    split: Mapping[str, float]  # train, val, test: all counts or all fractions


class Subset:
    """The pictures of `dataset` at `indices`, in that order; all of them where none are given."""

    def __init__(self, dataset: ImageDataset, indices: Sequence[int] | None = None) -> None:
        self.dataset, self.indices = dataset, list(range(len(dataset)) if indices is None else indices)
        self.names = [dataset.names[i] for i in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.indices[index]]

    def nbytes(self, index: int) -> int:
        return self.dataset.nbytes(self.indices[index])

    def digest(self, index: int) -> str:
        return self.dataset.digest(self.indices[index])


class InMemory(Subset):
    """The same pictures, decoded once, here and now. Loader processes share them by copy-on-write."""

    def __init__(self, dataset: ImageDataset, threads: int = 1) -> None:
        super().__init__(dataset)
        with ThreadPoolExecutor(max(threads, 1)) as pool:
            self.samples = list(pool.map(dataset.__getitem__, range(len(dataset))))

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


class Concat:
    """Several datasets as one; a picture is named `<dataset's key>/<its name>`."""

    def __init__(self, datasets: Mapping[str, ImageDataset]) -> None:
        self.parts = list(datasets.values())
        self.starts = list(accumulate((len(part) for part in self.parts), initial=0))
        self.names = [f"{key}/{name}" for key, part in datasets.items() for name in part.names]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        part, local = self._locate(index)
        return replace(part[local], name=self.names[index])

    def nbytes(self, index: int) -> int:
        part, local = self._locate(index)
        return part.nbytes(local)

    def digest(self, index: int) -> str:
        part, local = self._locate(index)
        return part.digest(local)

    def _locate(self, index: int) -> tuple[ImageDataset, int]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = bisect_right(self.starts, index) - 1
        return self.parts[part], index - self.starts[part]
