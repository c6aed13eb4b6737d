"""The codec's own g_a, deepened: residual bottlenecks (He 2016, as ELIC has them) at the end of each resolution.

x ─► own layers ─► 2 blocks at 1/2 ─► own ─► 6 at 1/4 ─► own ─► 6 at 1/8 ─► own ─► 4 at 1/16 ─► y

The last convolution of each block begins as zero, so that at the start the whole is the codec's g_a, bit for bit.
"""

from typing import Any

import torch
from torch import Tensor, nn

from lic_lightning.codecs.registry import register_analysis

# Per halving of the sides: how many blocks, and their width in shares of the level's channels. Wide where there are few
# positions: a block at 1/8 with twice the channels costs as much a pixel as one at 1/4 with as many.
LEVELS = ((0, 0), (2, 0.5), (6, 1), (6, 2), (4, 1))
SIDE = 64


class Bottleneck(nn.Module):
    """x + 1×1 · 3×3 · 1×1 of x with ReLU between; keeps the shape."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        last = nn.Conv2d(width, channels, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        inner = nn.Conv2d(channels, width, 1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()
        self.branch = nn.Sequential(*inner, last)

    def forward(self, x: Tensor) -> Tensor:
        """(B,C,h,w)."""
        return x + self.branch(x)


def large(g_a: Any, N: int, M: int) -> nn.Module:
    """The layers of a g_a that is a sequence, with blocks between them."""
    layers: list[nn.Module] = []
    level, x = 0, torch.zeros(1, 3, SIDE, SIDE)
    for layer in g_a:
        before, x = x, layer(x)
        if x.size(-1) < before.size(-1):
            layers += _blocks(level, before.size(1))
            level += 1
        layers.append(layer)
    return nn.Sequential(*layers, *_blocks(level, x.size(1)))


def _blocks(level: int, channels: int) -> list[nn.Module]:
    count, share = LEVELS[level]
    return [Bottleneck(channels, int(share * channels)) for _ in range(count)]


register_analysis("large", large)
