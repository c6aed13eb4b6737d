"""A codec over a test set: one row per image, coded by parallel processes on CPU."""

from __future__ import annotations

import copy
import ctypes
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lic_lightning.evaluation import classic
from lic_lightning.evaluation.image_row import Domain, Row, image_row
from lic_lightning.evaluation.metrics import build_metrics

GAP_ALARM = 0.03
GAP_BYTES = 32

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


class Images(Protocol):
    """A test set: whole images with names and content digests."""

    names: list[str]

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Any: ...
    def digest(self, index: int) -> str: ...


@dataclass(frozen=True)
class Settings:
    """How images are coded and judged.

    Attributes:
        metrics: subset of "psnr", "ms_ssim", "lpips".
        domain: "8bit" (as files are) or "float".
        device: "cpu", "cuda", …: the same codec on two devices is two operating points.
        workers: processes that code images side by side, one thread each; 1 codes in this process.
        lpips_trunk: see `metrics.build_metrics`.
        classic: which classic codecs stand beside the learned ones in plots: keys of `classic.CODECS`.
    """

    metrics: tuple[str, ...] = ("psnr", "ms_ssim")
    domain: Domain = "8bit"
    device: str = "cpu"
    workers: int = 1
    lpips_trunk: str | None = None
    classic: tuple[str, ...] = ("jpeg", "webp")

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"evaluation.workers must be 1 or more, got {self.workers}")
        object.__setattr__(self, "metrics", tuple(self.metrics))
        object.__setattr__(self, "classic", tuple(self.classic))
        classic.check(self.classic)

    @property
    def protocol(self) -> dict[str, object]:
        """What the numbers depend on."""
        return {"metrics": self.metrics, "domain": self.domain, "device": self.device}


def evaluate(
    codec: nn.Module, images: Images, stride: int, settings: Settings, decoder: nn.Module | None = None
) -> list[Row]:
    """Rows of all images, in their order, each with its `image` name (see `image_row`).

    The networks are copied, in float32 and in the contiguous layout: encoder and decoder must run the same kernels,
    as CompressAI's own tool does, or a mean that differs in its last bit ends the stream.
    """
    copied = None if decoder is None else for_coding(decoder, settings.device)
    coder = _Coder(for_coding(codec, settings.device), copied, stride, settings)
    if settings.workers == 1 or len(images) < 2:
        rows = [coder(images[index].image) for index in range(len(images))]
    else:
        rows = _in_processes(coder, images, min(settings.workers, len(images)))
    return [{"image": name, **row} for name, row in zip(images.names, rows, strict=True)]


def for_coding(codec: nn.Module, device: str = "cpu") -> nn.Module:
    """A copy of a codec as evaluation runs it: eval mode, float32, all that a stream depends on contiguous."""
    copied = copy.deepcopy(codec).to(device=device, dtype=torch.float32)
    copied = copied.to(memory_format=torch.contiguous_format).eval()
    if isinstance(g_s := getattr(copied, "g_s", None), nn.Module):
        g_s.to(memory_format=torch.channels_last)  # faster, and no stream depends on it
    return copied


def rate_gap(row: Row) -> str | None:
    """Why real bytes and the estimate of a row are too far apart; None if they agree within 3 % and 32 bytes."""
    estimated = row["bpp_estimated"] * row["width"] * row["height"] / 8
    if abs(row["bytes"] - estimated) <= GAP_ALARM * estimated + GAP_BYTES:
        return None
    return f"{row['image']}: {row['bytes']} bytes, but {estimated:.0f} estimated"


class _Coder:
    def __init__(self, codec: nn.Module, decoder: nn.Module | None, stride: int, settings: Settings) -> None:
        self.codec, self.decoder, self.stride, self.settings = codec, decoder, stride, settings
        self.metrics = build_metrics(settings.metrics, settings.lpips_trunk)

    def __call__(self, image: Tensor) -> Row:
        return image_row(image, self.codec, self.decoder, self.stride, self.metrics, self.settings.domain)


_coder: _Coder


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


def _start_worker(coder: _Coder) -> None:
    global _coder
    torch.set_num_threads(1)
    _keep_freed_memory()
    _coder = coder


def _keep_freed_memory() -> None:
    """Feature maps are freed and allocated by the hundred megabytes; glibc would have the system clear each one anew.

    That takes a quarter of the time. Other systems do as they do.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)


def _code(images: Images, index: int) -> Row:
    return _coder(images[index].image)


def _in_processes(coder: _Coder, images: Images, workers: int) -> list[Row]:
    context = _context(coder.settings.device)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(coder,)) as pool:
        return list(pool.map(_code, [images] * len(images), range(len(images))))
