"""Window attention module: a trunk of residual units, gated by attention within shifted windows (WACNN, Zou 2022)."""

import torch
from compressai.layers import conv1x1, conv3x3
from torch import Tensor, nn

from lic_lightning.codecs.layers.strips import by_strips

HEADS = 8
APART = -100.0  # Swin's bias between positions that only the cyclic shift has brought together


class WAM(nn.Module):
    """`x + a · sigmoid(b)`: a three residual units of x; b window attention, three residual units, 1×1 convolution.

    Args:
        channels: C, a multiple of 8 (heads).
        window: side of a window; height and width of the map must be multiples of it.
        shift: cyclic shift of the windows.
    """

    def __init__(self, channels: int, window: int, shift: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*(ResidualUnit(channels) for _ in range(3)))
        self.attention = WindowAttention(channels, window, shift)
        self.gate = nn.Sequential(*(ResidualUnit(channels) for _ in range(3)), conv1x1(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B,C,H,W) to a map of the same shape."""
        return by_strips(self._gated, x, self.attention(x), halo=3)

    def _gated(self, x: Tensor, attended: Tensor) -> Tensor:
        return x + self.trunk(x) * torch.sigmoid(self.gate(attended))


class ResidualUnit(nn.Module):
    """Bottleneck of half the channels, 1×1, 3×3, 1×1 with GELU, and the input added before the last GELU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv = nn.Sequential(
            conv1x1(channels, half), nn.GELU(), conv3x3(half, half), nn.GELU(), conv1x1(half, channels)
        )
        self.activation = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B,C,H,W) to a map of the same shape."""
        return self.activation(x + self.conv(x))


class WindowAttention(nn.Module):
    """Swin's shifted-window attention with relative position bias, added to its input; no norm, no MLP."""

    index: Tensor

    def __init__(self, channels: int, window: int, shift: int) -> None:
        super().__init__()
        if channels % HEADS:
            raise ValueError(f"window attention has {HEADS} heads: its channels must be a multiple, got {channels}")
        self.window, self.shift = window, shift
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.bias = nn.Parameter(nn.init.trunc_normal_(torch.empty((2 * window - 1) ** 2, HEADS), std=0.02))
        self.register_buffer("index", _relative_index(window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B,C,H,W) to a map of the same shape.

        Raises:
            ValueError: a side is no multiple of the window.
        """
        height, width = x.shape[2:]
        if height % self.window or width % self.window:
            raise ValueError(f"a map of {height}×{width} is not made of windows of {self.window}: pad the image to 64")
        shifted = x.roll((-self.shift, -self.shift), (2, 3))
        origin = 3 * self._origin(height, x.device)[:, None] + self._origin(width, x.device)
        attended = by_strips(self._attend, shifted, origin[None, None], multiple=self.window)
        return x + attended.roll((self.shift, self.shift), (2, 3))

    def _origin(self, side: int, device: torch.device) -> Tensor:
        """Of each shifted position, which part of the side it comes from: parts must not attend to each other."""
        position = torch.arange(side, device=device)
        return (position >= side - self.window).int() + (position >= side - self.shift).int()

    def _attend(self, x: Tensor, origin: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        windows = _partition(x, self.window)  # (B, windows, positions, C)
        q, k, v = self.qkv(windows).unflatten(3, (3, HEADS, -1)).permute(3, 0, 1, 4, 2, 5)
        logits = (q * q.size(-1) ** -0.5) @ k.transpose(-2, -1)  # (B, windows, heads, positions, positions)
        part = _partition(origin, self.window)  # (1, windows, positions, 1)
        apart = (part != part.transpose(-2, -1)).to(logits.dtype) * APART
        logits = logits + self.bias[self.index].permute(2, 0, 1) + apart.unsqueeze(2)
        mixed = logits.softmax(-1) @ v
        out = self.proj(mixed.transpose(2, 3).flatten(3))
        out = out.unflatten(2, (self.window, self.window)).unflatten(1, (height // self.window, -1))
        return out.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, height, width)


def _partition(x: Tensor, window: int) -> Tensor:
    """Map (B,C,H,W) as its windows, row by row: (B, windows, window², C)."""
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, height // window, window, width // window, window)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, window**2, channels)


def _relative_index(window: int) -> Tensor:
    """Of each pair of positions in a window, (window², window²), the row of their offset in the bias table."""
    position = torch.cartesian_prod(torch.arange(window), torch.arange(window))
    offset = position[:, None] - position + window - 1
    return offset[..., 0] * (2 * window - 1) + offset[..., 1]
