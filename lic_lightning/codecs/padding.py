"""Pictures of any size for a codec that codes multiples of its stride: what is padded, and what is cropped again.

Where the picture lies in its frame is the format's: centred. What fills the rest is the encoder's choice, a policy of
`PADDINGS`: the decoder throws it away, but its bits are paid for. Margins are pixels of 8 bits like the picture's, so
that evaluation, files and training see the same. Knows no CompressAI, which data must not wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

BLUR, BLURS = 9, 4  # facts/fixed_decoder.md, section 1: four box filters of 9 pixels
REACH = BLURS * (BLUR // 2)

Margins = tuple[int, int, int, int]  # left, right, above, below


def zeros(image: Tensor, margins: Margins) -> Tensor:
    """Black, as CompressAI's tool pads."""
    return F.pad(image, margins)


def edge(image: Tensor, margins: Margins) -> Tensor:
    """The picture's nearest pixel."""
    left, right, top, bottom = margins
    height, width = image.shape[-2:]
    rows = torch.arange(-top, height + bottom).clamp(0, height - 1)
    columns = torch.arange(-left, width + right).clamp(0, width - 1)
    return image[..., rows, :][..., columns]


def blurred_edge(image: Tensor, margins: Margins) -> Tensor:
    """The nearest pixel, then smoothed outside the picture: what nobody sees needs no detail."""
    left, right, top, bottom = margins
    padded = edge(image, margins)
    filled = padded.clone()
    if top:
        filled[..., :top, :] = _blurred(padded[..., : top + REACH, :])[..., :top, :]
    if bottom:
        filled[..., -bottom:, :] = _blurred(padded[..., -bottom - REACH :, :])[..., -bottom:, :]
    if left:
        filled[..., :left] = _blurred(padded[..., : left + REACH])[..., :left]
    if right:
        filled[..., -right:] = _blurred(padded[..., -right - REACH :])[..., -right:]
    return filled


def _blurred(strip: Tensor) -> Tensor:
    smooth = strip.float()
    for _ in range(BLURS):
        smooth = F.avg_pool2d(edge(smooth, (BLUR // 2,) * 4), BLUR, stride=1)
    return smooth.round().to(strip.dtype)


PADDINGS: dict[str, Callable[[Tensor, Margins], Tensor]] = {"zeros": zeros, "edge": edge, "blurred-edge": blurred_edge}
DEFAULT_PADDING = "blurred-edge"


def fill(padding: str) -> Callable[[Tensor, Margins], Tensor]:
    """The policy of that name.

    Raises:
        ValueError: there is none.
    """
    if padding not in PADDINGS:
        raise ValueError(f"unknown padding {padding!r}; known: {', '.join(PADDINGS)}")
    return PADDINGS[padding]


@dataclass(frozen=True)
class Frame:
    """The padded sides of a picture of `height` × `width`: the next multiples of a codec's `stride`."""

    height: int
    width: int
    stride: int

    @classmethod
    def of(cls, image: Tensor, stride: int) -> Frame:
        """That of images (…,H,W)."""
        height, width = image.shape[-2:]
        return cls(height, width, stride)

    @property
    def margins(self) -> Margins:
        """Pixels left, right, above and below of the picture; an odd one lies right or below, as CompressAI has it."""
        across, down = -self.width % self.stride, -self.height % self.stride
        return across // 2, across - across // 2, down // 2, down - down // 2

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width with the margins."""
        left, right, top, bottom = self.margins
        return self.height + top + bottom, self.width + left + right

    def pad(self, image: Tensor, padding: str = DEFAULT_PADDING) -> Tensor:
        """A picture (3,H,W) uint8 in its frame, the margins filled by a policy of `PADDINGS`.

        Raises:
            ValueError: no such policy.
        """
        return fill(padding)(image, self.margins)

    def crop(self, images: Tensor) -> Tensor:
        """Padded images (…,H,W) without the margins."""
        left, _, top, _ = self.margins
        return images[..., top : top + self.height, left : left + self.width]

    def visible(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Features (…,h,w) of the padded picture: the cells that show a pixel of it, not only of a margin."""
        left, right, top, bottom = self.margins
        inside = {}
        for name, feature in features.items():
            rows, columns = feature.shape[-2:]
            cell = self.padded[0] // rows
            inside[name] = feature[..., top // cell : rows - bottom // cell, left // cell : columns - right // cell]
        return inside


def to_float(image: Tensor) -> Tensor:
    """A picture (3,H,W) uint8 as codecs take it: (1,3,H,W) in [0, 1]."""
    return image.float().div(255).unsqueeze(0)


def to_8bit(images: Tensor) -> Tensor:
    """Synthesised images as uint8."""
    return images.clamp(0, 1).mul(255).round().byte()
