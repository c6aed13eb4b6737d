"""Channel-wise autoregressive entropy model with latent residual prediction (Minnen & Singh 2020, as in WACNN)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from compressai.entropy_models import GaussianConditional
from compressai.layers import conv3x3
from torch import Tensor, nn

from lic_lightning.codecs import entropy
from lic_lightning.codecs.rans import Reader

MOST_SLICES = 10
SUPPORT = 5  # the first slices serve all later ones: WACNN takes these, not the latest five
WIDTHS = (7, 5.5, 4, 2, 1)  # of the nets, in widths of a slice: 224, 176, 128, 64, 32

RESIDUAL = 0.5  # the most that the latent residual prediction moves a value

ValuesOf = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor | None]]  # slice, means, scales → values, likelihoods


class Coded(NamedTuple):
    """All slices of y, each (B,M,H,W)."""

    y_hat: Tensor
    written: Tensor  # before the residual: what the string holds
    scales: Tensor
    means: Tensor
    likelihoods: Tensor | None


class ChARM(nn.Module):
    """Codes the latent y (B,M,H,W) slice by slice, the mean and scale of each from the slices before it.

        support i = [latent means or scales, first min(i, 5) decoded slices]
        mean net (means), scale net (scales) ─► μ, σ ─► ŷ = round(y − μ) + μ ─► ŷ + 0.5·tanh(LRP net [means, ŷ])

    `forward` and `read` walk the slices in one function, so that writer and reader compute every μ and σ by the same
    operations on the same shapes. Slices: ten, or the largest number below that divides M.
    """

    def __init__(self, M: int) -> None:
        super().__init__()
        self.slices = max(count for count in range(1, MOST_SLICES + 1) if M % count == 0)
        self.width = width = M // self.slices
        supports = [M + width * min(i, SUPPORT) for i in range(self.slices)]
        self.mean = nn.ModuleList(_slice_net(support, width) for support in supports)
        self.scale = nn.ModuleList(_slice_net(support, width) for support in supports)
        self.residual = nn.ModuleList(_slice_net(support + width, width) for support in supports)
        self.gaussian_conditional = GaussianConditional(None)

    def forward(
        self, y: Tensor, means: Tensor, scales: Tensor, quantiser: Callable[..., Any] = entropy.rounded
    ) -> Coded:
        """ŷ of y (B,M,H,W) with what codes it, from latent means and scales of its shape.

        Unless by another `quantiser`, rounded in training too, with the gradient of the identity, and then with the
        likelihoods of noise.
        """
        slices = y.split(self.width, 1)

        def quantised(i: int, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor | None]:
            return quantiser(self.gaussian_conditional, slices[i], scale, mean)

        return self._walk(means, scales, quantised)

    def read(self, readers: Sequence[Reader], means: Tensor, scales: Tensor) -> Coded:
        """What `forward` gave in eval mode, from one string for each image."""

        def read(i: int, mean: Tensor, scale: Tensor) -> tuple[Tensor, None]:
            return entropy.read_next(readers, self.gaussian_conditional, mean.shape, scale, mean), None

        return self._walk(means, scales, read)

    def _walk(self, means: Tensor, scales: Tensor, values_of: ValuesOf) -> Coded:
        parts: list[tuple[Tensor, ...]] = []
        likelihoods: list[Tensor] = []
        for i in range(self.slices):
            support = [y_hat for y_hat, *_ in parts[:SUPPORT]]
            mean_support = torch.cat([means, *support], 1)
            mean, scale = self.mean[i](mean_support), self.scale[i](torch.cat([scales, *support], 1))
            written, likelihood = values_of(i, mean, scale)
            y_hat = written + RESIDUAL * torch.tanh(self.residual[i](torch.cat([mean_support, written], 1)))
            parts.append((y_hat, written, self.gaussian_conditional.lower_bound_scale(scale), mean))
            likelihoods += [] if likelihood is None else [likelihood]
        y_hat, written, sigma, mu = (torch.cat(slices, 1) for slices in zip(*parts, strict=True))
        return Coded(y_hat, written, sigma, mu, torch.cat(likelihoods, 1) if likelihoods else None)


def _slice_net(channels: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for factor in WIDTHS:
        out = int(factor * width)
        layers += [conv3x3(channels, out), nn.GELU()]
        channels = out
    return nn.Sequential(*layers[:-1])
