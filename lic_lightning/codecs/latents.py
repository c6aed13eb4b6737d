"""The cut at the latents: the one way from images to strings and back, for evaluation, files, heads and refinement.

    x ─► analyse ─► Latents ─► write ─► strings ─► read ─► Latents ─► synthesise ─► x_hat
                       └────► likelihoods: the rate without strings

Each network's file declares its cut beside the network: `@cut.register` on its class; subclasses inherit it. What
`write` is given is what is written, and what `read` gives is what `analyse` gave in eval mode, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Any, ClassVar, Protocol

import torch
import torch.nn.functional as F
from compressai.entropy_models import GaussianConditional
from compressai.models import (
    JointAutoregressiveHierarchicalPriors,
    MeanScaleHyperprior,
    ScaleHyperprior,
    SimpleVAECompressionModel,
)
from compressai.ops import compute_padding
from torch import Size, Tensor, nn

from lic_lightning.codecs.rans import RANS, Coder

Strings = list[list[bytes]]


@dataclass(frozen=True)
class Latents:
    """What the strings of a batch stand for.

    Attributes:
        y_hat: (B,M,h,w), as the synthesis gets it.
        scales: σ̂, like y_hat, bounded as the Gaussians use it; None without a hyperprior.
        means: like y_hat, where the Gaussians have them.
        side: what else is written or synthesised from, by name: z_hat, prototypes, …
        likelihoods: from `analyse`, per stream, for the rate; empty from `read`.
    """

    y_hat: Tensor
    scales: Tensor | None = None
    means: Tensor | None = None
    side: dict[str, Any] = field(default_factory=dict)
    likelihoods: dict[str, Tensor] = field(default_factory=dict)


class Cut(Protocol):
    """How one codec gets from images to strings and back; made by `cut`, it holds nothing but the codec.

    Attributes:
        streams: their names, in the order of `strings`.
    """

    streams: ClassVar[tuple[str, ...]]

    def analyse(self, x: Tensor) -> Latents:
        """Of images (B,3,H,W) in [0, 1], sides multiples of the codec's stride.

        In training mode as the codec's forward quantises, differentiable; in eval what the strings carry.
        """

    def write(self, latents: Latents, coder: Coder = RANS) -> dict[str, Any]:
        """CompressAI's contract: "strings", per stream one for each image, and "shape"."""

    def read(self, strings: Strings, shape: Any, coder: Coder = RANS) -> Latents:
        """From what `write` returns."""

    def synthesise(self, latents: Latents) -> Tensor:
        """Images (B,3,H,W), not clamped."""

    def likelihoods(self, latents: Latents) -> dict[str, Tensor]:
        """Per stream, of latents as they are: also of ones that were refined after `analyse`."""

    def shape(self, height: int, width: int) -> Any:
        """What `write` returns as "shape" for images of this padded size."""


@singledispatch
def cut(codec: nn.Module) -> Cut:
    """The cut of a codec.

    Raises:
        TypeError: its file declares none.
    """
    raise TypeError(f"{type(codec).__name__} declares no cut at its latents: `@cut.register` in the network's file")


class TransformCut:
    """A cut between two transforms that need not see the whole picture at once: y = g_a(x), x_hat = g_s(ŷ).

    A network's own cut adds `quantise`, `write`, `read` and `likelihoods`; z, where there is one, lies at 1/64.
    """

    streams: ClassVar[tuple[str, ...]] = ("y", "z")

    def __init__(self, codec: Any) -> None:
        self.codec = codec

    def analyse(self, x: Tensor) -> Latents:
        """Latents with their likelihoods."""
        latents = self.quantise(self.codec.g_a(x))
        return latents if latents.likelihoods else replace(latents, likelihoods=self.likelihoods(latents))

    def synthesise(self, latents: Latents) -> Tensor:
        """Images, not clamped."""
        return self.codec.g_s(latents.y_hat)

    def quantise(self, y: Tensor) -> Latents:
        """From y (B,M,h,w) to latents; in eval mode without likelihoods, which files do not need."""
        raise NotImplementedError

    def likelihoods(self, latents: Latents) -> dict[str, Tensor]:
        """Per stream."""
        raise NotImplementedError

    def shape(self, height: int, width: int) -> Any:
        """Height and width of z."""
        return Size((height // 64, width // 64))


Found = dict[str, Any]  # "y_hat", "scales" and, from model_latents, "likelihoods"


class LatentsError(ValueError):
    """A codec without scales, or one whose latents can't be read without its synthesis."""


def latents(codec: nn.Module, images: Tensor) -> Found:
    """ŷ and σ̂ of images (B,3,H,W) in [0, 1], both sides multiples of the codec's stride.

    A codec in training mode gives what its own forward would give: additive uniform noise in place of rounding
    (straight-through rounding in ELIC), so that gradients reach the encoder. In eval mode they equal those of the
    bitstream.

    Raises:
        LatentsError: the codec has no scales.
    """
    found = model_latents(codec, images)
    return {"y_hat": found["y_hat"], "scales": found["scales"]}


@singledispatch
def model_latents(codec: nn.Module, images: Tensor) -> Found:
    """ŷ, σ̂ and likelihoods of images as in the codec's own forward: differentiable in training mode."""
    raise LatentsError(_without_scales(codec))


@singledispatch
def decode_latents(codec: nn.Module, strings: list[list[bytes]], shape: Any) -> Found:
    """ŷ and σ̂ from the output of `codec.compress`, by entropy decoding and hyper-synthesis alone."""
    raise LatentsError(_without_scales(codec))


@singledispatch
def synthesize(codec: nn.Module, found: Found) -> Tensor:
    """The image (B,3,H,W) of latents, not clamped."""
    return codec.g_s(found["y_hat"])


def without_padding(found: Found, height: int, width: int, stride: int) -> Found:
    """The cells of ŷ and σ̂ that show a pixel of the image of `height` × `width`, not only of its centred padding."""
    (left, right, top, bottom), _ = compute_padding(height, width, min_div=stride)
    rows, columns = found["y_hat"].shape[2:]
    cell = (height + top + bottom) // rows
    inside = (..., slice(top // cell, rows - bottom // cell), slice(left // cell, columns - right // cell))
    return {name: found[name][inside] for name in ("y_hat", "scales")}


def pad(images: Tensor, stride: int) -> Tensor:
    """Images (B,3,H,W) with centred zeros around them, as evaluation pads."""
    padding, _ = compute_padding(*images.shape[2:], min_div=stride)
    return F.pad(images, padding)


@model_latents.register
def _(codec: ScaleHyperprior, images: Tensor) -> Found:
    y = codec.g_a(images)
    z_hat, z_likelihoods = codec.entropy_bottleneck(codec.h_a(y.abs()))
    scales = codec.h_s(z_hat)
    y_hat, y_likelihoods = codec.gaussian_conditional(y, scales)
    return _found(codec.gaussian_conditional, y_hat, scales, y_likelihoods, z_likelihoods)


@decode_latents.register
def _(codec: ScaleHyperprior, strings: list[list[bytes]], shape: Any) -> Found:
    scales = codec.h_s(codec.entropy_bottleneck.decompress(strings[1], shape))
    return _decoded(codec.gaussian_conditional, strings[0], scales, None)


@model_latents.register
def _(codec: MeanScaleHyperprior, images: Tensor) -> Found:
    y = codec.g_a(images)
    z_hat, z_likelihoods = codec.entropy_bottleneck(codec.h_a(y))
    scales, means = codec.h_s(z_hat).chunk(2, 1)
    y_hat, y_likelihoods = codec.gaussian_conditional(y, scales, means=means)
    return _found(codec.gaussian_conditional, y_hat, scales, y_likelihoods, z_likelihoods)


@decode_latents.register
def _(codec: MeanScaleHyperprior, strings: list[list[bytes]], shape: Any) -> Found:
    scales, means = codec.h_s(codec.entropy_bottleneck.decompress(strings[1], shape)).chunk(2, 1)
    return _decoded(codec.gaussian_conditional, strings[0], scales, means)


@model_latents.register
def _(codec: JointAutoregressiveHierarchicalPriors, images: Tensor) -> Found:
    found = cut(codec).analyse(images)
    return {"y_hat": found.y_hat, "scales": found.scales, "likelihoods": found.likelihoods}


@decode_latents.register
def _(codec: JointAutoregressiveHierarchicalPriors, strings: list[list[bytes]], shape: Any) -> Found:
    found = cut(codec).read(strings, shape)
    return {"y_hat": found.y_hat, "scales": found.scales}


@model_latents.register
def _(codec: SimpleVAECompressionModel, images: Tensor) -> Found:
    with _recorded_scales(codec) as scales:
        found = codec.latent_codec(codec.g_a(images))
    return {"y_hat": found["y_hat"], "scales": torch.cat(scales, 1), "likelihoods": found["likelihoods"]}


@decode_latents.register
def _(codec: SimpleVAECompressionModel, strings: list[list[bytes]], shape: Any) -> Found:
    parts = codec.latent_codec
    y_hat = parts.decompress(strings, shape)["y_hat"]
    params = parts["hyper"].decompress(strings[-1:], shape["hyper"])["params"]
    with _recorded_scales(codec) as scales:  # ŷ is its own rounding, so this pass sees the contexts of the decoding
        parts["y"](y_hat, params)
    return {"y_hat": y_hat, "scales": torch.cat(scales, 1)}


def _found(gaussian: GaussianConditional, y_hat: Tensor, scales: Tensor, y: Tensor, z: Tensor) -> Found:
    return {"y_hat": y_hat, "scales": gaussian.lower_bound_scale(scales), "likelihoods": {"y": y, "z": z}}


def _decoded(gaussian: GaussianConditional, strings: list[bytes], scales: Tensor, means: Tensor | None) -> Found:
    """As `gaussian.build_indexes` and `decompress`, in two thirds of the time: the index of a scale by bisection, and
    only the CDFs that occur cross into C++."""
    indexes = torch.bucketize(gaussian.lower_bound_scale(scales), gaussian.scale_table[:-1], out_int32=True)
    used = int(indexes.max()) + 1
    lengths, offsets = (t[:used].flatten().tolist() for t in (gaussian.cdf_length, gaussian.offset))
    cdfs = gaussian.quantized_cdf[:used, : max(lengths)].tolist()
    symbols = [
        gaussian.entropy_coder.decode_with_indexes(string, row.flatten().tolist(), cdfs, lengths, offsets)
        for string, row in zip(strings, indexes, strict=True)
    ]
    values = torch.tensor(symbols, dtype=torch.int32, device=scales.device).reshape(scales.shape)
    y_hat = gaussian.dequantize(values, means, scales.dtype)
    return {"y_hat": y_hat, "scales": gaussian.lower_bound_scale(scales)}


@contextmanager
def _recorded_scales(codec: nn.Module) -> Iterator[list[Tensor]]:
    """The scales that each of the codec's Gaussians is called with, in the order of the calls."""
    scales: list[Tensor] = []

    def record(gaussian: nn.Module, args: tuple[Tensor, ...]) -> None:
        scales.append(gaussian.lower_bound_scale(args[1]))

    gaussians = [module for module in codec.modules() if isinstance(module, GaussianConditional)]
    hooks = [gaussian.register_forward_pre_hook(record) for gaussian in gaussians]
    try:
        yield scales
    finally:
        for hook in hooks:
            hook.remove()


def _without_scales(codec: nn.Module) -> str:
    return (
        f"{type(codec).__name__} has no scales σ̂ that a task could read; choose a codec with a hyperprior "
        "(bmshj2018-hyperprior, mbt2018-mean, mbt2018, cheng2020-anchor, cheng2020-attn, elic2022-official, segpic)"
    )
