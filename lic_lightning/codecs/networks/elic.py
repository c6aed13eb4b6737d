"""The cut of CompressAI's ELIC (He 2022), and of any of its models with groups of channels on checkerboards.

y ─► groups of channels, each in two halves of a checkerboard ═► ŷ
     half k,i: σ, μ from ẑ, from the groups before k, and from the first half of its own group
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from compressai.entropy_models import EntropyModel, GaussianConditional
from compressai.latent_codecs import CheckerboardLatentCodec
from compressai.models import SimpleVAECompressionModel
from torch import Size, Tensor

from lic_lightning.codecs import entropy
from lic_lightning.codecs.latents import Latents, Params, Quantiser, Strings, TransformCut, cut, known
from lic_lightning.codecs.rans import RANS, Coder

HALVES = 2

Half = tuple[int, int]  # the group, and which half of its checkerboard
ValuesOf = Callable[[Half, GaussianConditional, Tensor, Tensor], Tensor]


@cut.register(SimpleVAECompressionModel)
class ElicCut(TransformCut):
    """y half after half: CompressAI's contract has a string for each; a file has one stream for all."""

    context: ClassVar[bool] = True

    def quantise(self, y: Tensor) -> Latents:
        """ŷ, rounded in training too, with the gradient of the identity; the likelihoods are then those of noise."""
        hyper = self.codec.latent_codec["hyper"]
        z_hat, z = entropy.rounded(hyper.entropy_bottleneck, hyper.h_a(y))
        side = {"z_hat": z_hat}
        latents = self.coded(y, self.params(side), entropy.rounded)
        return replace(latents, side=side, likelihoods=latents.likelihoods | known(z=z))

    def params(self, side: Mapping[str, Any]) -> Params:
        """What each half merges with its context (B,·,h,w)."""
        return (self.codec.latent_codec["hyper"].h_s(side["z_hat"]),)

    @property
    def density(self) -> EntropyModel:
        """Of y; all groups have Gaussians of one kind."""
        return self._gaussian(0)

    def coded(self, y: Tensor, params: Params, quantiser: Quantiser) -> Latents:
        """ŷ half after half."""
        parts, likelihoods = self._halves(y), {}

        def quantise_half(half: Half, gaussian: GaussianConditional, scales: Tensor, means: Tensor) -> Tensor:
            y_hat, likelihood = quantiser(gaussian, parts[half], scales, means)
            if likelihood is not None:
                likelihoods[half] = likelihood
            return y_hat

        (hyper,) = params
        latents = self._walk(hyper, quantise_half)
        return replace(latents, likelihoods={"y": self._whole(likelihoods)} if likelihoods else {}, y=y)

    def write(self, latents: Latents, coder: Coder = RANS) -> dict[str, Any]:
        """Strings of y, group after group and half after half, then those of z; "shape" as CompressAI has it."""
        halves = [self._halves(values) for values in (latents.y_hat, latents.scales, latents.means)]
        strings = [
            entropy.write(coder, "y", self._gaussian(k), *(values[k, i] for values in halves)) for k, i in halves[0]
        ]
        z_hat = latents.side["z_hat"]
        strings.append(entropy.write(coder, "z", self.codec.latent_codec["hyper"].entropy_bottleneck, z_hat))
        height, width = z_hat.shape[-2:]
        return {"strings": strings, "shape": self.shape(height * 64, width * 64)}

    def read(self, strings: Strings, shape: Any, coder: Coder = RANS) -> Latents:
        """ẑ, then ŷ half after half. One stream of y stands for all halves, where the `coder` goes on in it."""
        *y_strings, z_strings = strings
        bottleneck = self.codec.latent_codec["hyper"].entropy_bottleneck
        size = Size((len(z_strings), bottleneck.channels, *shape["hyper"]))
        z_hat = entropy.read(coder, "z", z_strings, bottleneck, size)
        waiting = iter(y_strings if len(y_strings) > 1 else y_strings * HALVES * len(self.groups))

        def read_half(half: Half, gaussian: GaussianConditional, scales: Tensor, means: Tensor) -> Tensor:
            return entropy.read(coder, "y", next(waiting), gaussian, scales.shape, scales, means)

        side = {"z_hat": z_hat}
        (hyper,) = self.params(side)
        return replace(self._walk(hyper, read_half), side=side)

    def likelihoods(self, latents: Latents) -> dict[str, Tensor]:
        """Of y and z."""
        y = entropy.likelihood(self.density, latents.y_hat, latents.scales, latents.means)
        bottleneck = self.codec.latent_codec["hyper"].entropy_bottleneck
        return {"y": y, "z": entropy.likelihood(bottleneck, latents.side["z_hat"])}

    def shape(self, height: int, width: int) -> Any:
        """Sizes of the groups and of z, as CompressAI's latent codecs give them."""
        y = [(channels, height // 16, width // 16) for channels in self.groups]
        return {"y": y, "hyper": Size((height // 64, width // 64))}

    @property
    def groups(self) -> list[int]:
        """Channels of each group."""
        return self.codec.latent_codec["y"].groups

    def _codec(self, k: int) -> CheckerboardLatentCodec:
        return self.codec.latent_codec["y"].latent_codec[f"y{k}"]

    def _gaussian(self, k: int) -> GaussianConditional:
        return self._codec(k).latent_codec["y"].gaussian_conditional

    def _walk(self, hyper: Tensor, values_of: ValuesOf) -> Latents:
        """Latents whose halves `values_of` (half, Gaussian, scales, means) gives, each when its context is known."""
        y_hat: list[Tensor] = []
        scales: dict[Half, Tensor] = {}
        means: dict[Half, Tensor] = {}
        for k in range(len(self.groups)):
            part = self._codec(k)
            own = part.unembed(self.codec.latent_codec["y"]._get_ctx_params(k, hyper, y_hat))
            _, batch, _, height, width = own.shape
            context = own.new_zeros(batch, 2 * self.groups[k], height, width)
            halves = [own.new_zeros(batch, self.groups[k], height, width)] * HALVES
            for i in range(HALVES):
                if i > 0:
                    context = part.unembed(part.context_prediction(part.embed(torch.stack(halves))))[i]
                inner = part.latent_codec["y"]
                parameters = inner.entropy_parameters(part.entropy_parameters(part.merge(context, own[i])))
                sigma, means[k, i] = (values.float() for values in inner._chunk(parameters))
                scales[k, i] = inner.gaussian_conditional.lower_bound_scale(sigma)
                halves[i] = values_of((k, i), inner.gaussian_conditional, scales[k, i], means[k, i])
            y_hat.append(part.embed(torch.stack(halves)))
        return Latents(torch.cat(y_hat, 1), self._whole(scales), self._whole(means))

    def _halves(self, values: Any) -> dict[Half, Tensor]:
        split = [self._codec(k).unembed(part) for k, part in enumerate(values.split(self.groups, 1))]
        return {(k, i): part[i] for k, part in enumerate(split) for i in range(HALVES)}

    def _whole(self, halves: dict[Half, Tensor]) -> Tensor:
        pairs = [torch.stack([halves[k, i] for i in range(HALVES)]) for k in range(len(self.groups))]
        return torch.cat([self._codec(k).embed(pair) for k, pair in enumerate(pairs)], 1)
