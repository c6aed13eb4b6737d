"""Regions of an image at the scale of a feature map: those of a mask, or the cells of the 4×4 grid."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

GRID = 4  # cells a side
EPSILON = 0.0005  # added to the area of a masked region: one that vanished gets a prototype of zeros


class MaskError(ValueError):
    """A mask that does not tell the regions of its image."""


@dataclass(frozen=True)
class Regions:
    """Which region each position of a feature map belongs to.

    Attributes:
        ids: (B,1,H,W) int64, from 0.
        counts: (B,) int64, regions of each image; ids that no position has count too.
        grid: the regions are the cells of the grid.
    """

    ids: Tensor
    counts: Tensor
    grid: bool

    def mean(self, x: Tensor) -> Tensor:
        """The prototypes of a feature map (B,C,H,W): its means over the regions, (B,C,K,1), K the largest count."""
        if self.grid:
            return F.adaptive_avg_pool2d(x, GRID).flatten(2).unsqueeze(3)
        batch, channels = x.shape[:2]
        ids = self.ids.flatten(2)
        sums = x.new_zeros(batch, channels, int(self.counts.max()), dtype=torch.float32)
        areas = torch.zeros_like(sums[:, :1]).scatter_add(2, ids, torch.ones_like(ids, dtype=sums.dtype))
        sums = sums.scatter_add(2, ids.expand(-1, channels, -1), x.flatten(2).float())
        return (sums / (areas + EPSILON)).unsqueeze(3)

    def coded(self, likelihoods: Tensor) -> Tensor:
        """Likelihoods (B,C,K,1) with 1, no bits, for what fills an image up to the batch's largest count."""
        index = torch.arange(likelihoods.size(2), device=likelihoods.device)
        own = index < self.counts[:, None]
        return torch.where(own[:, None, :, None], likelihoods, 1.0)


def expand(prototypes: Tensor, ids: Tensor) -> Tensor:
    """Prototypes (B,C,K,1) laid out over their regions: (B,C,H,W) for ids (B,1,H,W)."""
    batch, channels = prototypes.shape[:2]
    index = ids.flatten(2).expand(batch, channels, -1)
    return prototypes.squeeze(3).gather(2, index).unflatten(2, ids.shape[2:])


def grid_regions(batch: int, height: int, width: int, device: torch.device) -> Regions:
    """The cells of the 4×4 grid over the whole of a feature map whose sides are multiples of 4."""
    rows = torch.arange(height, device=device) * GRID // height
    columns = torch.arange(width, device=device) * GRID // width
    ids = (rows[:, None] * GRID + columns).expand(batch, 1, height, width)
    return Regions(ids, torch.full((batch,), GRID**2, device=device), grid=True)


def mask_regions(mask: Tensor) -> tuple[Regions, Regions]:
    """Regions at a quarter and at a sixteenth of the size of a mask (B,H,W), by nearest neighbour.

    A region that vanishes on the way keeps its id, and a prototype of zeros, where a higher id is left.
    """
    quarter = mask[:, None, ::4, ::4].long()
    return _of_ids(quarter), _of_ids(quarter[:, :, ::4, ::4])


def check_mask(mask: Tensor, image: Tensor) -> None:
    """Refuses what is no region map of the images.

    Args:
        mask: (B,H,W), an integer type, ids from 0 upwards.
        image: (B,3,H,W).

    Raises:
        MaskError: another type or size, no pixel, a negative id, or ids that were not renumbered.
    """
    if mask.dtype not in (torch.int64, torch.int32, torch.int16, torch.uint8):
        raise MaskError(f"the mask is {mask.dtype}; region ids are integers (int64)")
    expected = (image.size(0), *image.shape[2:])
    if tuple(mask.shape) != expected:
        raise MaskError(f"the mask measures {tuple(mask.shape)}, its images {expected} (B,H,W)")
    if mask.numel() == 0:
        raise MaskError("the mask has no pixels, so no regions")
    least, most = (int(value) for value in torch.aminmax(mask))
    if least < 0:
        raise MaskError(f"the mask has a region id of {least}; ids count from 0, and every pixel belongs to a region")
    if most >= mask[0].numel():
        raise MaskError(
            f"the mask has a region id of {most} but {mask[0].numel()} pixels: renumber the ids 0 … K-1 "
            "(torch.unique(mask, return_inverse=True)[1])"
        )


def _of_ids(ids: Tensor) -> Regions:
    return Regions(ids, ids.flatten(1).amax(1) + 1, grid=False)
