"""What of an image's features a head sees: resized, then a square crop, the same for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class View:
    """The short side is resized to `size`, then a square of `crop` is cut: 32 and 28 for latents in the paper.

    All features of an image (ŷ and σ̂) go through it as one tensor, so they can't be cropped or flipped apart.
    """

    size: int = 32
    crop: int = 28

    def __post_init__(self) -> None:
        if not 0 < self.crop <= self.size:
            raise ValueError(f"a view needs 0 < crop <= size, got crop {self.crop} and size {self.size}")

    def __call__(self, features: Mapping[str, Tensor], draws: Tensor | None = None) -> dict[str, Tensor]:
        """The views of features (B,C_i,H,W), each (B,C_i,crop,crop).

        Args:
            features: tensors of one height and width.
            draws: (B,3) in [0, 1): where each crop starts, down and across, and whether it is flipped (under one
                half); None takes the centre.
        """
        stacked = self._resize(torch.cat([tensor.float() for tensor in features.values()], 1))
        if draws is None:
            top, left = ((side - self.crop) // 2 for side in stacked.shape[2:])
            cut = self._cut(stacked, top, left)
        else:
            cut = torch.stack([self._drawn(*pair) for pair in zip(stacked, draws.tolist(), strict=True)])
        parts = cut.split([tensor.size(1) for tensor in features.values()], 1)
        return dict(zip(features, parts, strict=True))

    def _resize(self, x: Tensor) -> Tensor:
        short = min(x.shape[2:])
        if short == self.size:
            return x
        sides = [max(self.size, round(side * self.size / short)) for side in x.shape[2:]]
        return F.interpolate(x, sides, mode="bilinear", antialias=short > self.size, align_corners=False)

    def _drawn(self, x: Tensor, draw: list[float]) -> Tensor:
        down, across, mirror = draw
        room = [side - self.crop + 1 for side in x.shape[1:]]
        cut = self._cut(x, int(down * room[0]), int(across * room[1]))
        return cut.flip(-1) if mirror < 0.5 else cut

    def _cut(self, x: Tensor, top: int, left: int) -> Tensor:
        return x[..., top : top + self.crop, left : left + self.crop]
