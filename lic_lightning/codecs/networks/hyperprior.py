"""The cuts of CompressAI's factorized, scale hyperprior and mean-scale hyperprior codecs (Ballé 2018, Minnen 2018).

x ─► g_a ─► y ─┬─────────────────────────► round around μ ═► ŷ ─► g_s ─► x_hat
               └─► h_a ─► z ═► ẑ ─► h_s ─► σ, μ ─┘
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from compressai.entropy_models import EntropyModel
from compressai.models import FactorizedPrior, MeanScaleHyperprior, ScaleHyperprior
from torch import Size, Tensor

from lic_lightning.codecs import entropy
from lic_lightning.codecs.latents import Latents, Params, Quantiser, Strings, TransformCut, cut, known
from lic_lightning.codecs.rans import RANS, Coder


@cut.register(FactorizedPrior)
class FactorizedCut(TransformCut):
    """y alone, each channel with its own density."""

    streams = ("y",)

    def quantise(self, y: Tensor) -> Latents:
        """ŷ."""
        return self.coded(y, (), entropy.quantised)

    @property
    def density(self) -> EntropyModel:
        """Of y."""
        return self.codec.entropy_bottleneck

    def params(self, side: Mapping[str, Any]) -> Params:
        """None: there is no side."""
        return ()

    def coded(self, y: Tensor, params: Params, quantiser: Quantiser) -> Latents:
        """ŷ around its medians."""
        y_hat, likelihoods = quantiser(self.codec.entropy_bottleneck, y)
        return Latents(y_hat, likelihoods=known(y=likelihoods), y=y)

    def write(self, latents: Latents, coder: Coder = RANS) -> dict[str, Any]:
        """Strings of y, and its height and width."""
        strings = entropy.write(coder, "y", self.codec.entropy_bottleneck, latents.y_hat)
        return {"strings": [strings], "shape": latents.y_hat.shape[-2:]}

    def read(self, strings: Strings, shape: Any, coder: Coder = RANS) -> Latents:
        """ŷ."""
        size = Size((len(strings[0]), self.codec.entropy_bottleneck.channels, *shape))
        return Latents(entropy.read(coder, "y", strings[0], self.codec.entropy_bottleneck, size))

    def likelihoods(self, latents: Latents) -> dict[str, Tensor]:
        """Of y."""
        return {"y": entropy.likelihood(self.codec.entropy_bottleneck, latents.y_hat)}

    def shape(self, height: int, width: int) -> Any:
        """Height and width of y."""
        return Size((height // 16, width // 16))


@cut.register(ScaleHyperprior)
class ScaleHyperpriorCut(TransformCut):
    """y by Gaussians around zero, their scales from z."""

    def hyper_analysis(self, y: Tensor) -> Tensor:
        """z (B,N,h/4,w/4)."""
        return self.codec.h_a(y.abs())

    def params(self, side: Mapping[str, Any]) -> Params:
        """Scales and means, like y."""
        return self.codec.h_s(side["z_hat"]).float(), None

    def quantise(self, y: Tensor) -> Latents:
        """ŷ around its means, by way of ẑ."""
        z_hat, z = entropy.quantised(self.codec.entropy_bottleneck, self.hyper_analysis(y))
        side = {"z_hat": z_hat}
        latents = self.coded(y, self.params(side), entropy.quantised)
        return replace(latents, side=side, likelihoods=latents.likelihoods | known(z=z))

    def coded(self, y: Tensor, params: Params, quantiser: Quantiser) -> Latents:
        """ŷ around the means that ẑ gives."""
        y_hat, likelihoods = quantiser(self.codec.gaussian_conditional, y, *params)
        return self._latents(y_hat, *params, y=y, likelihoods=known(y=likelihoods))

    def write(self, latents: Latents, coder: Coder = RANS) -> dict[str, Any]:
        """Strings of y and z, and height and width of z."""
        codec, z_hat = self.codec, latents.side["z_hat"]
        z = entropy.write(coder, "z", codec.entropy_bottleneck, z_hat)
        y = entropy.write(coder, "y", codec.gaussian_conditional, latents.y_hat, latents.scales, latents.means)
        return {"strings": [y, z], "shape": z_hat.shape[-2:]}

    def read(self, strings: Strings, shape: Any, coder: Coder = RANS) -> Latents:
        """ẑ, then ŷ."""
        side = self.read_side(strings[1], shape, coder)
        scales, means = self.params(side)
        y_hat = entropy.read(coder, "y", strings[0], self.codec.gaussian_conditional, scales.shape, scales, means)
        return self._latents(y_hat, scales, means, side=side)

    def read_side(self, strings: list[bytes], shape: Any, coder: Coder) -> dict[str, Tensor]:
        """ẑ."""
        bottleneck = self.codec.entropy_bottleneck
        size = Size((len(strings), bottleneck.channels, *shape))
        return {"z_hat": entropy.read(coder, "z", strings, bottleneck, size)}

    def likelihoods(self, latents: Latents) -> dict[str, Tensor]:
        """Of y and z."""
        gaussian, bottleneck = self.codec.gaussian_conditional, self.codec.entropy_bottleneck
        return {
            "y": entropy.likelihood(gaussian, latents.y_hat, latents.scales, latents.means),
            "z": entropy.likelihood(bottleneck, latents.side["z_hat"]),
        }

    def _latents(self, y_hat: Tensor, scales: Any, means: Tensor | None, **others: Any) -> Latents:
        return Latents(y_hat, self.codec.gaussian_conditional.lower_bound_scale(scales), means, **others)


@cut.register(MeanScaleHyperprior)
class MeanScaleCut(ScaleHyperpriorCut):
    """Means from z too, and z from y with its signs."""

    def hyper_analysis(self, y: Tensor) -> Tensor:
        """z (B,N,h/4,w/4)."""
        return self.codec.h_a(y)

    def params(self, side: Mapping[str, Any]) -> Params:
        """Scales and means, like y."""
        scales, means = self.codec.h_s(side["z_hat"]).float().chunk(2, 1)
        return scales, means
