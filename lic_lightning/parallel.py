"""A function over many things by parallel processes: the images of a test set, the files of a command."""

import ctypes
import multiprocessing
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing.context import BaseContext
from typing import Any, Protocol

import torch
from torch import Tensor

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h

RowsOf = Callable[[Tensor], Any]


class Images(Protocol):
    """A test set: whole images with names and content digests."""

    names: list[str]

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Any: ...
    def digest(self, index: int) -> str: ...


def over_images(rows_of: RowsOf, images: Images, workers: int, device: str = "cpu") -> list[Any]:
    """What `rows_of` says of each image, uint8 (3,H,W), in their order; with one worker, in this process.

    Args:
        rows_of: can be pickled, as what it returns can.
        images: the test set.
        workers: most processes, one thread each.
        device: that `rows_of` computes on.
    """
    row = partial(_row, rows_of, images)
    workers = min(workers, len(images))
    if workers < 2:
        return [row(index) for index in range(len(images))]
    with processes(workers, row, device) as pool:
        return list(pool.map(call, range(len(images))))


def _row(rows_of: RowsOf, images: Images, index: int) -> Any:
    return rows_of(images[index].image)


def processes(count: int, work: Callable[..., Any], device: str = "cpu") -> ProcessPoolExecutor:
    """Processes of one thread each that hold `work`, for `call` to call there. Ctrl-C reaches this process alone."""
    return ProcessPoolExecutor(count, _context(device), _start_worker, (work,))


def call(*arguments: Any) -> Any:
    """In a worker: what its `work` says of the arguments."""
    return _work(*arguments)


_work: Callable[..., Any]


def _context(device: str) -> BaseContext:
    """How processes start: by fork where that is safe, which takes no time, while imports take seconds.

    A fork lacks its parent's threads. PyTorch's DataLoader starts its workers so too: with one thread no operator waits
    for the others. CUDA can't be forked.
    """
    if sys.platform == "linux" and torch.device(device).type == "cpu":
        return multiprocessing.get_context("fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _start_worker(work: Callable[..., Any]) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    _keep_freed_memory()
    _work = work


def _keep_freed_memory() -> None:
    """Feature maps are freed and allocated by the hundred megabytes; glibc would have the system clear each one anew.

    That takes a quarter of the time. Other systems do as they do.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
