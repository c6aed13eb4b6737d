"""The cut at the latents: the one way from images to strings and back, for evaluation, files, heads and refinement.

    x ─► analyse ─► Latents ─► write ─► strings ─► read ─► Latents ─► synthesise ─► x_hat
                       └────► likelihoods: the rate without strings

Each network's file declares its cut beside the network: `@cut.register` on its class; subclasses inherit it. What
`write` is given is what is written, and what `read` gives is what `analyse` gave in eval mode, bit for bit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Any, ClassVar, Protocol

import torch
from compressai.entropy_models import EntropyModel
from torch import Size, Tensor, nn

from lic_lightning.codecs import entropy
from lic_lightning.codecs.padding import DEFAULT_PADDING, Frame, to_8bit, to_float
from lic_lightning.codecs.rans import RANS, Coder

Strings = list[list[bytes]]
Params = tuple[Any, ...]  # what the side says of y, each (B,·,h,w) or None
Quantiser = Callable[..., tuple[Tensor, Tensor | None]]  # `quantised`, `rounded` or `kept` of `codecs.entropy`


class LatentsError(ValueError):
    """A codec without a cut, or without the scales that a task reads."""


@dataclass(frozen=True)
class Latents:
    """What the strings of a batch stand for.

    Attributes:
        y_hat: (B,M,h,w), as the synthesis gets it.
        scales: σ̂, like y_hat, bounded as the Gaussians use it; None without a hyperprior.
        means: like y_hat, where the Gaussians have them.
        side: what else is written or synthesised from, by name: z_hat, prototypes, …
        likelihoods: from `analyse`, per stream, for the rate; empty from `read`.
        y: what was rounded to ŷ; None from `read`.
    """

    y_hat: Tensor
    scales: Tensor | None = None
    means: Tensor | None = None
    side: dict[str, Any] = field(default_factory=dict)
    likelihoods: dict[str, Tensor] = field(default_factory=dict)
    y: Tensor | None = None


class Cut(Protocol):
    """How one codec gets from images to strings and back; made by `cut`, it holds nothing but the codec.

    Attributes:
        streams: their names, in the order of `strings`.
        context: True if scales and means of a symbol depend on other symbols of y.
        density: the entropy model of y.
    """

    streams: ClassVar[tuple[str, ...]]
    context: ClassVar[bool]

    @property
    def density(self) -> EntropyModel: ...

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

    def params(self, side: Mapping[str, Any]) -> Params:
        """What the side says of y: scales and means, or what a context makes them of."""

    def coded(self, y: Tensor, params: Params, quantiser: Quantiser) -> Latents:
        """Latents of any y (B,M,h,w), differentiable: `quantiser` gives the values of each part around its means.

        Their side has only what follows from y, their likelihoods are those of y alone.

        Args:
            y: before rounding.
            params: as `params` gives them, or a window of these and y.
            quantiser: takes an entropy model, values and the parameters of their density.
        """

    def rounded(self, y: Tensor, params: Params) -> Latents:
        """`coded` as the strings carry it: of a y that was refined under a side that stays."""


@singledispatch
def cut(codec: nn.Module) -> Cut:
    """The cut of a codec.

    Raises:
        LatentsError: its file declares none.
    """
    raise LatentsError(f"{type(codec).__name__} declares no cut at its latents: `@cut.register` in the network's file")


class TransformCut:
    """A cut between two transforms that need not see the whole picture at once: y = g_a(x), x_hat = g_s(ŷ).

    A network's own cut adds `quantise`, `write`, `read` and `likelihoods`, and for refinement `params` and `coded`; z,
    where there is one, lies at 1/64.
    """

    streams: ClassVar[tuple[str, ...]] = ("y", "z")
    context: ClassVar[bool] = False

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

    def params(self, side: Mapping[str, Any]) -> Params:
        """What the side says of y."""
        raise NotImplementedError

    @property
    def density(self) -> EntropyModel:
        """Of y."""
        return self.codec.gaussian_conditional

    def coded(self, y: Tensor, params: Params, quantiser: Quantiser) -> Latents:
        """Latents of any y."""
        raise LatentsError(f"{type(self.codec).__name__} can't be refined: its cut declares no `coded`")

    def rounded(self, y: Tensor, params: Params) -> Latents:
        """In eval mode."""
        return self.coded(y, params, entropy.quantised)

    def shape(self, height: int, width: int) -> Any:
        """Height and width of z."""
        return Size((height // 64, width // 64))


def known(**likelihoods: Tensor | None) -> dict[str, Tensor]:
    """Those that there are: in eval mode quantisers give none."""
    return {stream: values for stream, values in likelihoods.items() if values is not None}


def features(latents: Latents) -> dict[str, Tensor]:
    """What a task reads of latents: "y_hat" and "scales".

    Raises:
        LatentsError: the codec has no scales.
    """
    if latents.scales is None:
        raise LatentsError(
            "this codec has no scales σ̂ that a task could read; choose one with a hyperprior (bmshj2018-hyperprior, "
            "mbt2018-mean, mbt2018, cheng2020-anchor, cheng2020-attn, elic2022-official, segpic)"
        )
    return {"y_hat": latents.y_hat, "scales": latents.scales}


@torch.no_grad()
def encode(
    codec: nn.Module, image: Tensor, stride: int, padding: str = DEFAULT_PADDING, refine: Any = None
) -> dict[str, Any]:
    """ "strings" and "shape" of a picture (3,H,W) uint8: of its latents as analysed, or as a `Refinement` has them."""
    own, frame = cut(codec), Frame.of(image, stride)
    plain = own.analyse(to_float(frame.pad(image, padding)))
    return own.write(plain) if refine is None else refine(own, plain, image, frame).encoded


@torch.no_grad()
def decode(codec: nn.Module, encoded: Mapping[str, Any], frame: Frame) -> Tensor:
    """The picture (3,H,W) uint8 of what `encode` gives."""
    return to_8bit(frame.crop(cut(codec).synthesise(cut(codec).read(**encoded))))[0]
