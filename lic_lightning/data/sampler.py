"""The order of training samples: a function of (seed, epoch, position) alone, so a run can go on exactly.

seed, epoch ──► permutations of the dataset, a crop seed per position ──► this rank's shard ──► batches
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, Dataset, Sampler


class CropSampler(Sampler[tuple[int, int]]):
    """Yields (index, crop seed). An epoch has `epoch_size` samples, by fresh permutations of the dataset.

    Shards itself over the ranks of torch.distributed, the same number for each (the last permutation is drawn
    on to make it even), so the Trainer runs with `use_distributed_sampler=False`. Neither the number of
    ranks, nor of workers, nor the batch size changes what stands at a position of the epoch.
    """

    def __init__(self, length: int, seed: int, epoch_size: int | None = None) -> None:
        self.length, self.seed, self.epoch_size = length, seed, epoch_size or length
        self.epoch = 0
        self.start = 0  # samples of this rank to skip in the next pass: set by ResumableLoader

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.epoch_size // _world_size())

    def __iter__(self) -> Iterator[tuple[int, int]]:
        total = len(self) * _world_size()
        # Two streams, so that a longer order (padded for the ranks) leaves the crops in their places.
        order, crops = (np.random.default_rng([self.seed, self.epoch, stream]) for stream in (0, 1))
        rounds = -(-total // self.length)
        indices = np.concatenate([order.permutation(self.length) for _ in range(rounds)])[:total]
        crop_seeds = crops.integers(2**62, size=total)
        mine = slice(_rank() + self.start * _world_size(), None, _world_size())
        return zip(indices[mine].tolist(), crop_seeds[mine].tolist(), strict=True)


class ResumableLoader(DataLoader):
    """A DataLoader over a CropSampler that goes on in the middle of an epoch without decoding what was seen.

    Lightning stores `state_dict()` in its checkpoints and restores it before the first batch.
    """

    epoch = 0  # of the pass that was begun last
    taken = 0  # batches handed out in it
    _restored: dict[str, int] | None = None

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        # A generator on purpose: Lightning creates the iterator of a resumed run before it calls set_epoch,
        # and workers would fetch another epoch's samples. Nothing here runs before the first batch is wanted.
        if isinstance(self.sampler, CropSampler):  # overfit_batches puts a sequential one in its place
            restored, self._restored, self.epoch = self._restored, None, self.sampler.epoch
            same_epoch = restored is not None and restored["epoch"] == self.epoch
            self.taken = restored["taken"] if restored is not None and same_epoch else 0
            self.sampler.start = self.taken * (self.batch_size or 1)
        for batch in super().__iter__():
            self.taken += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Which epoch was begun last, and how many of its batches were handed out."""
        return {"epoch": self.epoch, "taken": self.taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Start the next pass where `state` was taken, if it is of the same epoch."""
        self._restored = state


def loader(
    dataset: Dataset, collate: Callable[..., Any], batch_size: int, seed: int, workers: int = 0, sampler: Any = None
) -> DataLoader:
    """Batches of a dataset, in its own order or in that of a sampler; those of a CropSampler go on where they stopped.

    A CropSampler's ragged last batch goes, unless it is all there is; its pictures come in another epoch.
    """
    crops = isinstance(sampler, CropSampler)
    return (ResumableLoader if crops else DataLoader)(
        dataset,
        batch_size,
        sampler=sampler,
        drop_last=crops and len(sampler) >= batch_size,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        collate_fn=collate,
        generator=torch.Generator().manual_seed(seed),  # else each pass draws from the run's own noise
    )


def _world_size() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _rank() -> int:
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
