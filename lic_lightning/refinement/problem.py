"""What refinement minimises: R + λD of one picture as a function of y alone, in bits; what lies beside y stays.

y ─► the cut's `coded` ─┬─► ŷ ─► synthesise ─► crop to what is visible ─► objective ─► λD
                        └─► likelihoods under its scales and means ─► R
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from lic_lightning.codecs import entropy
from lic_lightning.codecs.latents import Cut, Latents, Params, TransformCut
from lic_lightning.codecs.padding import Frame, to_float
from lic_lightning.refinement.synthesis import fast_synthesis

Window = tuple[slice, ...]  # rows and columns
NEIGHBOURS = (-1.0, 0.0, 1.0)  # of the nearest symbol: those that a value may become
CELL = 16  # pixels a side for one position of ŷ, of all codecs here


class Objective(Protocol):
    """One of `objectives`."""

    lmbda: float

    def __call__(self, output: dict[str, Any], batch: Any, /) -> Mapping[str, Tensor]:
        """Parts, of which "loss" is R + λD."""


class Target(NamedTuple):
    """All that an objective of pixels reads of a batch."""

    image: Tensor


class Slope(NamedTuple):
    """How R + λD lies around values of y.

    Attributes:
        gradient: (1,M,h,w), of λD by each value, and of what others' bits are in its context; its own do not count.
        symbols: (3,M,h,w), NEIGHBOURS of the nearest.
        bits: theirs.
    """

    gradient: Tensor
    symbols: Tensor
    bits: Tensor


@dataclass(frozen=True)
class Problem:
    """One picture, or a tile of one.

    Attributes:
        own: the codec's cut.
        synthesise: latents to images (B,3,H,W), as `own` does up to rounding.
        plain: the latents as analysed.
        params: what their side says of y.
        y: (1,M,h,w), where the search starts.
        image: (3,H,W) uint8, what is visible of the picture.
        visible: rows and columns of `image` in what g_s gives.
        moving: rows and columns of the cells of ŷ that may change.
        objective: its distortion counts visible pixels only, since it sees no others.
    """

    own: Cut
    synthesise: Callable[[Latents], Tensor]
    plain: Latents
    params: Params
    y: Tensor
    image: Tensor
    visible: Window
    moving: Window
    objective: Objective

    def slope(self, y: Tensor, chances: Tensor) -> Slope:
        """R + λD around values (1,M,h,w) of y as they are; `chances` weigh the bits of three symbols in a context."""
        density = self.own.density
        with torch.enable_grad():
            y = y.detach().requires_grad_()
            latents = self.own.coded(y, self.params, entropy.kept)
            parameters = () if latents.scales is None else (latents.scales, latents.means)
            nearest = entropy.centre(density, *parameters) + entropy.symbols(density, y, *parameters)
            symbols = nearest.detach() + torch.tensor(NEIGHBOURS, device=y.device).reshape(3, 1, 1, 1)
            bits = -entropy.likelihood(density, symbols, *parameters).log2()
            (gradient,) = torch.autograd.grad(self.distortion(latents.y_hat) + (chances * bits).sum(), y)
        return Slope(gradient.float(), symbols, bits.detach())

    def written(self, y: Tensor) -> Latents:
        """All that is written of y, which may be a ŷ."""
        latents = self.own.rounded(y, self.params)
        return replace(latents, side=self.plain.side | latents.side)

    def distortion(self, y_hat: Tensor) -> Tensor:
        """λD in bits; the synthesis runs in bfloat16, which is as good here: the written file is judged in float32."""
        faster = y_hat.contiguous(memory_format=torch.channels_last)
        with torch.autocast(y_hat.device.type, torch.bfloat16):
            x_hat = self.synthesise(replace(self.plain, y_hat=faster))
        return self.weighed(x_hat[:, :, *self.visible].float().clamp(0, 1))  # as 8 bits clip it

    def weighed(self, x_hat: Tensor) -> Tensor:
        """λD in bits of the visible part (1,3,H,W) of a reconstruction."""
        certain = {"y": x_hat.new_ones(1)}  # without a bit, so that the loss is its distortion
        return (
            self.objective({"x_hat": x_hat, "likelihoods": certain}, Target(to_float(self.image)))["loss"] * self.pixels
        )

    @property
    def pixels(self) -> int:
        """Visible ones."""
        return self.image[0].numel()

    def moved(self, y_hat: Tensor, target: Tensor) -> Tensor:
        """ŷ with the values of `target` where it may change."""
        if target[:, :, *self.moving].shape == target.shape:
            return target
        mixed = y_hat.clone()
        mixed[:, :, *self.moving] = target[:, :, *self.moving]
        return mixed

    def window(self, core: Window, seen: Window, outer: Window) -> Problem:
        """The part of the problem in which the cells of `core` move: judged on the pixels of the cells of `seen`, which
        g_s makes of those of `outer`.
        """
        inside, picture = zip(
            *(_seen(*spans) for spans in zip(seen, outer, self.visible, strict=True)),
            strict=True,
        )
        return replace(
            self,
            params=tuple(p if p is None else p[:, :, *outer] for p in self.params),
            y=self.y[:, :, *outer],
            image=self.image[:, *picture],
            visible=inside,
            moving=tuple(slice(c.start - o.start, c.stop - o.start) for c, o in zip(core, outer, strict=True)),
        )


def _seen(seen: slice, outer: slice, visible: slice) -> tuple[slice, slice]:
    """Visible pixels of the cells that are seen, counted from the start of the outer ones and of the picture."""
    start, stop = max(seen.start * CELL, visible.start), min(seen.stop * CELL, visible.stop)
    window, picture = outer.start * CELL, visible.start
    return slice(start - window, stop - window), slice(start - picture, stop - picture)


def problem_of(own: Cut, plain: Latents, image: Tensor, frame: Frame, objective: Objective) -> Problem:
    """Of a codec's cut, the latents as analysed, and the picture (3,H,W) uint8."""
    assert plain.y is not None
    left, _, top, _ = frame.margins
    visible = slice(top, top + frame.height), slice(left, left + frame.width)
    everywhere = slice(None), slice(None)
    y = plain.y.contiguous()  # the decoder's products must be the encoder's, bit for bit
    x, params = image.to(y.device), own.params(plain.side)
    return Problem(own, synthesis_of(own), plain, params, y, x, visible, everywhere, objective)


def synthesis_of(own: Cut) -> Callable[[Latents], Tensor]:
    """The cut's, fast where it is a transform of ŷ alone."""
    if not isinstance(own, TransformCut):
        return own.synthesise
    g_s = fast_synthesis(own.codec.g_s)
    return lambda latents: g_s(latents.y_hat)
