"""A codec over a test set: one row per image, coded by parallel processes on CPU."""

from __future__ import annotations

import copy
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lic_lightning.evaluation.image_row import Domain, Row, image_row
from lic_lightning.evaluation.metrics import build_metrics

GAP_ALARM = 0.03
GAP_BYTES = 32


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
        classic: which of Pillow's codecs stand beside the learned ones in tables and plots, "jpeg" and "webp".
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
    """A copy of a codec as evaluation runs it: eval mode, float32, contiguous, without gradients."""
    copied = copy.deepcopy(codec).to(device=device, dtype=torch.float32)
    return copied.to(memory_format=torch.contiguous_format).eval()


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


def _start_worker(coder: _Coder) -> None:
    global _coder
    torch.set_num_threads(1)
    _coder = coder


def _code(images: Images, index: int) -> Row:
    return _coder(images[index].image)


def _in_processes(coder: _Coder, images: Images, workers: int) -> list[Row]:
    context = multiprocessing.get_context("forkserver")  # a fork of this process would inherit torch's threads
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(coder,)) as pool:
        return list(pool.map(_code, [images] * len(images), range(len(images))))
