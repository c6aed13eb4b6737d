"""Scale affine layer, and the down- and upsampling blocks that it is part of (SegPIC)."""

from compressai.layers import GDN, conv1x1
from torch import Tensor, nn


class SAL(nn.Module):
    """Scale affine layer: `x · (1 + s) + b`, s and b from x itself by two 1×1 convolutions. Keeps the shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.affine = nn.Sequential(conv1x1(channels, channels), nn.GELU(), conv1x1(channels, 2 * channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B,C,H,W) to a map of the same shape."""
        scale, shift = self.affine(x).chunk(2, 1)
        return x * (1 + scale) + shift


class Downsample(nn.Module):
    """Convolution 5×5 with stride 2, GDN, SAL: (B,C,H,W) to (B,C',H/2,W/2)."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 5, stride=2, padding=2)
        self.gdn = GDN(out)
        self.sal = SAL(out)

    def forward(self, x: Tensor) -> Tensor:
        """Halves the sides."""
        return self.sal(self.gdn(self.conv(x)))


class Upsample(nn.Module):
    """SAL, transposed convolution 5×5 with stride 2, GDN: (B,C,H,W) to (B,C',2H,2W).

    The GDN divides, as in the encoder; SegPIC has no inverse GDN here, in its figure too.
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.sal = SAL(channels)
        self.conv = nn.ConvTranspose2d(channels, out, 5, stride=2, padding=2, output_padding=1)
        self.gdn = GDN(out)

    def forward(self, x: Tensor) -> Tensor:
        """Doubles the sides."""
        return self.gdn(self.conv(self.sal(x)))
