"""Pictures of any size through a codec that codes multiples of its stride: pad, code, crop.

Where the picture lies in its frame is the format's: centred. What fills the rest is the encoder's choice, made in
`Frame.pad` and nowhere else: zeros, as CompressAI's tool does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from compressai.ops import compute_padding
from torch import Tensor, nn

from lic_lightning.codecs.latents import cut


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
    def margins(self) -> tuple[int, int, int, int]:
        """Pixels left, right, above and below of the picture."""
        return compute_padding(self.height, self.width, min_div=self.stride)[0]

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width with the margins."""
        left, right, top, bottom = self.margins
        return self.height + top + bottom, self.width + left + right

    def pad(self, images: Tensor) -> Tensor:
        """Images (…,H,W) with zeros in the margins."""
        return F.pad(images, self.margins)

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


@torch.no_grad()
def encode(codec: nn.Module, image: Tensor, stride: int) -> dict[str, Any]:
    """ "strings" and "shape" of a picture (3,H,W) uint8."""
    padded = Frame.of(image, stride).pad(to_float(image))
    return cut(codec).write(cut(codec).analyse(padded))


@torch.no_grad()
def decode(codec: nn.Module, encoded: Mapping[str, Any], frame: Frame) -> Tensor:
    """The picture (3,H,W) uint8 of what `encode` gives."""
    return to_8bit(frame.crop(cut(codec).synthesise(cut(codec).read(**encoded))))[0]


def to_float(image: Tensor) -> Tensor:
    """A picture (3,H,W) uint8 as codecs take it: (1,3,H,W) in [0, 1]."""
    return image.float().div(255).unsqueeze(0)


def to_8bit(images: Tensor) -> Tensor:
    """Synthesised images as uint8."""
    return images.clamp(0, 1).mul(255).round().byte()
