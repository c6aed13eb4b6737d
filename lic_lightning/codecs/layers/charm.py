"""Channel-wise autoregressive entropy model with latent residual prediction (Minnen & Singh 2020, as in WACNN)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from compressai.ans import RansDecoder
from compressai.entropy_models import GaussianConditional
from compressai.layers import conv3x3
from compressai.ops import quantize_ste
from torch import Tensor, nn

MOST_SLICES = 10
SUPPORT = 5  # the first slices serve all later ones: WACNN takes these, not the latest five
WIDTHS = (7, 5.5, 4, 2, 1)  # of the nets, in widths of a slice: 224, 176, 128, 64, 32

Quantise = Callable[[int, Tensor, Tensor], Tensor]


class ChARM(nn.Module):
    """Codes the latent y (B,M,H,W) slice by slice, the mean and scale of each from the slices before it.

        support i = [latent means or scales, first min(i, 5) decoded slices]
        mean net (means), scale net (scales) ─► μ, σ ─► ŷ = round(y − μ) + μ ─► ŷ + 0.5·tanh(LRP net [means, ŷ])

    Training, `compress` and `decompress` walk the slices in one function, so that writer and reader compute every μ
    and σ by the same operations on the same shapes. Slices: ten, or the largest number below that divides M.
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

    def forward(self, y: Tensor, means: Tensor, scales: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(ŷ, σ̂, likelihoods), each (B,M,H,W); ŷ is rounded, with the gradient of the identity."""
        slices = y.split(self.width, 1)
        likelihoods: list[Tensor] = []

        def estimate(i: int, mean: Tensor, scale: Tensor) -> Tensor:
            likelihoods.append(self.gaussian_conditional(slices[i], scale, mean)[1])
            return quantize_ste(slices[i] - mean) + mean

        return *self._walk(means, scales, estimate), torch.cat(likelihoods, 1)

    def compress(self, y: Tensor, means: Tensor, scales: Tensor) -> list[bytes]:
        """One string per image; all slices are coded at once at the end, as rANS writes backwards."""
        slices = y.split(self.width, 1)
        coded: list[tuple[Tensor, Tensor]] = []

        def write(i: int, mean: Tensor, scale: Tensor) -> Tensor:
            coded.append((mean, self.gaussian_conditional.build_indexes(scale)))
            return torch.round(slices[i] - mean) + mean

        self._walk(means, scales, write)
        all_means, indexes = (torch.cat(parts, 1) for parts in zip(*coded, strict=True))
        return self.gaussian_conditional.compress(y, indexes, all_means)

    def decompress(self, strings: list[bytes], means: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
        """(ŷ, σ̂), each (B,M,H,W), from one string per image."""
        gaussian = self.gaussian_conditional
        tables = [t.tolist() for t in (gaussian._quantized_cdf, gaussian._cdf_length.reshape(-1))]
        tables.append(gaussian._offset.reshape(-1).tolist())
        decoders = [RansDecoder() for _ in strings]
        for decoder, string in zip(decoders, strings, strict=True):
            decoder.set_stream(string)

        def read(i: int, mean: Tensor, scale: Tensor) -> Tensor:
            indexes = gaussian.build_indexes(scale).flatten(1).tolist()
            symbols = [d.decode_stream(own, *tables) for d, own in zip(decoders, indexes, strict=True)]
            return torch.tensor(symbols, dtype=mean.dtype, device=mean.device).reshape(mean.shape) + mean

        return self._walk(means, scales, read)

    def _walk(self, means: Tensor, scales: Tensor, quantise: Quantise) -> tuple[Tensor, Tensor]:
        decoded: list[Tensor] = []
        used: list[Tensor] = []
        for i in range(self.slices):
            support = decoded[:SUPPORT]
            mean_support = torch.cat([means, *support], 1)
            mean, scale = self.mean[i](mean_support), self.scale[i](torch.cat([scales, *support], 1))
            y_hat = quantise(i, mean, scale)
            decoded.append(y_hat + 0.5 * torch.tanh(self.residual[i](torch.cat([mean_support, y_hat], 1))))
            used.append(self.gaussian_conditional.lower_bound_scale(scale))
        return torch.cat(decoded, 1), torch.cat(used, 1)


def _slice_net(channels: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for factor in WIDTHS:
        out = int(factor * width)
        layers += [conv3x3(channels, out), nn.GELU()]
        channels = out
    return nn.Sequential(*layers[:-1])
