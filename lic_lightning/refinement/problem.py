"""What refinement minimises: R + λD of one picture as a function of ŷ alone, in bits.

ŷ ─┬─► g_s ─► crop to what is visible ─► objective ─► λD
   └─► the density under the μ and σ of the written ẑ ─► R
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from compressai.entropy_models import EntropyModel
from torch import Tensor, nn

from lic_lightning.codecs import entropy
from lic_lightning.codecs.latents import Latents
from lic_lightning.codecs.networks.autoregressive import AutoregressiveCut
from lic_lightning.codecs.networks.hyperprior import FactorizedCut
from lic_lightning.codecs.padding import Frame, to_float

Objective = Callable[[dict[str, Any], Any], Mapping[str, Tensor]]  # one of `objectives`
Window = tuple[slice, ...]  # rows and columns
CELL = 16  # pixels a side for one position of ŷ, of all codecs here


class Target(NamedTuple):
    """All that an objective of pixels reads of a batch."""

    image: Tensor


@dataclass(frozen=True)
class Problem:
    """One picture, or a tile of one.

    Attributes:
        g_s: the decoder's synthesis.
        model: density of ŷ.
        parameters: its own, like ŷ: scales and means that the written ẑ gives, or none; under a context, what ẑ gives.
        y: (1,M,h,w), before rounding.
        image: (1,3,H,W) in [0, 1], what is visible of the picture.
        visible: rows and columns of `image` in what g_s gives.
        moving: rows and columns of the cells of ŷ that may change.
        objective: its distortion counts visible pixels only, since it sees no others.
        context: of autoregressive codecs, ŷ and `parameters` to scales and means; None where ŷ does not move them.
    """

    g_s: nn.Module
    model: EntropyModel
    parameters: tuple[Any, ...]
    y: Tensor
    image: Tensor
    visible: Window
    moving: Window
    objective: Objective
    context: Callable[..., tuple[Tensor, Tensor]] | None = None

    def density(self, y_hat: Tensor) -> tuple[Any, ...]:
        """The parameters of ŷ's density."""
        return self.parameters if self.context is None else self.context(y_hat, *self.parameters)

    def centre(self, y_hat: Tensor) -> Tensor:
        """What symbols count from, to be broadcast over ŷ."""
        return entropy.centre(self.model, *self.density(y_hat))

    def rounded(self, y: Tensor) -> Tensor:
        """The nearest ŷ that can be written, without a context."""
        centre = self.centre(y)
        return torch.round(y - centre) + centre

    def bits(self, y_hat: Tensor) -> Tensor:
        """Of each value of ŷ."""
        return -entropy.likelihood(self.model, y_hat, *self.density(y_hat)).log2()

    def distortion(self, y_hat: Tensor) -> Tensor:
        """λD in bits; g_s runs in bfloat16, which is as good here: the written file is judged in float32."""
        with torch.autocast(y_hat.device.type, torch.bfloat16):
            x_hat = self.g_s(y_hat)
        return self.weighed(x_hat[:, :, *self.visible].float())

    def weighed(self, x_hat: Tensor) -> Tensor:
        """λD in bits of the visible part (1,3,H,W) of a reconstruction."""
        certain = {"y": x_hat.new_ones(1)}  # without a bit, so that the loss is its distortion
        return self.objective({"x_hat": x_hat, "likelihoods": certain}, Target(self.image))["loss"] * self.pixels

    @property
    def pixels(self) -> int:
        """Visible ones."""
        return self.image.size(2) * self.image.size(3)

    def moved(self, y_hat: Tensor, target: Tensor) -> Tensor:
        """ŷ with the values of `target` where it may change."""
        if self.moving == (slice(None), slice(None)):
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
            parameters=tuple(p if p is None else p[:, :, *outer] for p in self.parameters),
            y=self.y[:, :, *outer],
            image=self.image[:, :, *picture],
            visible=inside,
            moving=tuple(slice(c.start - o.start, c.stop - o.start) for c, o in zip(core, outer, strict=True)),
        )


def _seen(seen: slice, outer: slice, visible: slice) -> tuple[slice, slice]:
    """Visible pixels of the cells that are seen, counted from the start of the outer ones and of the picture."""
    start, stop = max(seen.start * CELL, visible.start), min(seen.stop * CELL, visible.stop)
    window, picture = outer.start * CELL, visible.start
    return slice(start - window, stop - window), slice(start - picture, stop - picture)


def problem_of(own: Any, y: Tensor, latents: Latents, image: Tensor, frame: Frame, objective: Objective) -> Problem:
    """Of a codec's cut, its y and what it quantised that to, and the picture (3,H,W) uint8."""
    codec, context = own.codec, None
    parameters: tuple[Any, ...]
    if isinstance(own, FactorizedCut):
        model, parameters = codec.entropy_bottleneck, ()
    elif isinstance(own, AutoregressiveCut):
        model, parameters = codec.gaussian_conditional, (codec.h_s(latents.side["z_hat"]),)
        context = partial(_from_context, codec)
    else:
        model, parameters = codec.gaussian_conditional, (latents.scales, latents.means)
    left, _, top, _ = frame.margins
    visible = slice(top, top + frame.height), slice(left, left + frame.width)
    everywhere = slice(None), slice(None)
    g_s = copy.deepcopy(codec.g_s).to(memory_format=torch.channels_last)  # its gradient is a quarter faster so
    return Problem(g_s, model, parameters, y, to_float(image.to(y.device)), visible, everywhere, objective, context)


def _from_context(codec: Any, y_hat: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
    merged = torch.cat((params, codec.context_prediction(y_hat)), 1)
    scales, means = codec.entropy_parameters(merged).float().chunk(2, 1)
    return scales, means
