"""Region-adaptive transform: each position is filtered by a kernel made for it from the prototype of its region."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from compressai.layers import conv1x1, conv3x3
from torch import Tensor, nn

from lic_lightning.codecs.layers.regions import Regions, expand
from lic_lightning.codecs.layers.strips import by_strips

TAPS = 3


class RAT(nn.Module):
    """Region-adaptive transform (SegPIC): one 3×3 kernel per position and channel, then channel attention.

        x ─ 1×1 ─ LReLU ─ 1×1 ─ u ───────┬──► filter ─ v ─┬─────────► × ─ 1×1 ─► + ─►
        │                                ▼      ▲         ▼           ▲          ▲
        │  prototypes ─ expand ─► [u, p] ─ kernel net     mean ─ gate ┘          │
        └────────────────────────────────────────────────────────────────────────┘

    The filtering is nine shifted multiply-adds: unfolding u would take nine times its memory once more.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(conv1x1(channels, channels), nn.LeakyReLU(0.1), conv1x1(channels, channels))
        self.kernels = nn.Sequential(
            conv1x1(2 * channels, channels),
            nn.LeakyReLU(0.1),
            conv3x3(channels, channels),
            nn.LeakyReLU(0.1),
            nn.Conv2d(channels, TAPS**2 * channels, 3, padding=1, groups=channels),
        )
        self.gate = nn.Sequential(
            conv1x1(channels, channels), nn.LeakyReLU(0.1), conv1x1(channels, channels), nn.Sigmoid()
        )
        self.out = conv1x1(channels, channels)

    def forward(self, x: Tensor, prototypes: Tensor, regions: Regions) -> Tensor:
        """Map (B,C,H,W) with the decoded prototypes (B,C,K,1) of its regions to a map of the same shape."""
        v = by_strips(self._filter(prototypes), x, regions.ids, halo=2)
        gate = self.gate(v.mean((2, 3), keepdim=True))
        return by_strips(partial(self._residual, gate), x, v)

    def _filter(self, prototypes: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        def filtered(x: Tensor, ids: Tensor) -> Tensor:
            u = self.embed(x)
            kernels = self.kernels(torch.cat([u, expand(prototypes, ids)], 1)).unflatten(1, (-1, TAPS**2))
            height, width = u.shape[2:]
            padded = F.pad(u, [TAPS // 2] * 4)
            v = torch.zeros_like(u)
            for tap in range(TAPS**2):
                down, right = divmod(tap, TAPS)
                v = v.addcmul(kernels[:, :, tap], padded[:, :, down : down + height, right : right + width])
            return v

        return filtered

    def _residual(self, gate: Tensor, x: Tensor, v: Tensor) -> Tensor:
        return x + self.out(gate * v)
