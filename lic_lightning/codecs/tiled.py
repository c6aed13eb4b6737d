"""g_a and g_s over pictures of any size in bounded memory: in tiles that overlap by as much as the network reaches.

    picture ─► tile + halo ─► g_a ─► cut the halo off ─► y, whole
    ŷ, whole ─► tile + halo ─► g_s ─► cut the halo off ─► picture

A tile's edge inside the picture spoils what lies within the network's reach of it; the halo is that reach. An edge of
the picture is an edge of the tile too, so that zero padding falls where it does without tiles. The result is the whole
transform's up to float rounding, and it does not depend on the machine's memory: the tile's size is fixed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from compressai.layers import GDN
from compressai.ops.bound_ops import LowerBound
from compressai.ops.parametrizers import NonNegativeParametrizer
from torch import Tensor, nn

TILE = 1024  # pixels a side, without halo
LOCAL = (
    *(nn.Conv2d, nn.ConvTranspose2d, nn.PixelShuffle, GDN, NonNegativeParametrizer, LowerBound),
    *(nn.ReLU, nn.LeakyReLU, nn.GELU, nn.Sigmoid, nn.Identity),
)


@dataclass(frozen=True)
class Grid:
    """How a transform lies on the picture.

    Attributes:
        cell: pixels a side for one position of the latents.
        reach: cells that an output depends on, left, right, above or below its own; None if it may depend on all.
    """

    cell: int
    reach: int | None


@torch.no_grad()
def analysis_grid(g_a: nn.Module, stride: int) -> Grid:
    """The grid of an analysis transform for pictures whose sides are multiples of `stride`."""
    pixels = torch.zeros(1, 3, stride, stride)
    cell = stride // g_a(pixels).size(-1)
    return Grid(cell, _reach(g_a, channels=3, step=cell, out_step=1, thickness=stride))


@torch.no_grad()
def synthesis_grid(g_s: nn.Module, channels: int) -> Grid:
    """The grid of a synthesis transform of latents with so many channels."""
    thickness = 4
    cell = g_s(torch.zeros(1, channels, thickness, thickness)).size(-1) // thickness
    return Grid(cell, _reach(g_s, channels, step=1, out_step=cell, thickness=thickness))


@torch.no_grad()
def analysis(g_a: nn.Module, image: Tensor, grid: Grid) -> Tensor:
    """y (1,M,H/cell,W/cell) of an image (3,H,W) uint8 whose sides are multiples of the codec's stride."""
    rows, columns = image.size(1) // grid.cell, image.size(2) // grid.cell
    y = torch.empty(0)
    for outer, core, kept in _tiles(rows, columns, grid):
        pixels = image[:, _scaled(outer[0], grid.cell), _scaled(outer[1], grid.cell)]
        part = g_a(pixels.float().div(255).unsqueeze(0))
        if not y.numel():
            y = part.new_empty(1, part.size(1), rows, columns)
        y[:, :, *core] = part[:, :, *kept]
    return y


@torch.no_grad()
def synthesis(g_s: nn.Module, y_hat: Tensor, grid: Grid) -> Tensor:
    """The picture (3,H,W) uint8, clamped and rounded, of latents (1,M,H/cell,W/cell)."""
    rows, columns = y_hat.shape[2:]
    image = torch.empty(3, rows * grid.cell, columns * grid.cell, dtype=torch.uint8)
    for outer, core, kept in _tiles(rows, columns, grid):
        part = g_s(y_hat[:, :, *outer])[0]
        values = part[:, _scaled(kept[0], grid.cell), _scaled(kept[1], grid.cell)]
        pixels = image[:, _scaled(core[0], grid.cell), _scaled(core[1], grid.cell)]
        pixels.copy_(values.clamp(0, 1).mul_(255).round_())
    return image


def _tiles(rows: int, columns: int, grid: Grid) -> Iterator[Iterator[tuple[slice, slice]]]:
    """Slices of rows and columns, in cells: with halo, without it, and the latter within the former."""
    for row in _spans(rows, grid):
        for column in _spans(columns, grid):
            yield zip(row, column, strict=True)


def _spans(length: int, grid: Grid) -> Iterator[tuple[slice, slice, slice]]:
    if grid.reach is None:
        size, reach = length, 0
    else:
        size, reach = TILE // grid.cell, grid.reach
    for start in range(0, length, size):
        stop = min(start + size, length)
        first, last = max(0, start - reach), min(length, stop + reach)
        yield slice(first, last), slice(start, stop), slice(start - first, stop - first)


def _scaled(cells: slice, cell: int) -> slice:
    return slice(cells.start * cell, cells.stop * cell)


def _reach(transform: nn.Module, channels: int, step: int, out_step: int, thickness: int) -> int | None:
    """Cells that NaN spreads beyond the half of a strip that is filled with it, at most over four directions.

    Not-a-number survives every weight, a zero one included, so the count is never too small; it holds for all positions
    as long as all layers are alike everywhere, which attention windows and pooling to a grid are not.
    """
    leaves = [module for module in transform.modules() if not any(module.children())]
    if not all(isinstance(leaf, LOCAL) for leaf in leaves):
        return None
    half = 32
    reach = 0
    for axis in (2, 3):
        for filled in (slice(0, half * step), slice(half * step, None)):
            shape = [1, channels, thickness, thickness]
            shape[axis] = 2 * half * step
            strip = torch.zeros(shape)
            strip.narrow(axis, filled.start, half * step).fill_(float("nan"))
            out = transform(strip).isnan().any(dim=1)[0].any(dim=3 - axis).reshape(-1, out_step).any(dim=1)
            reach = max(reach, int(out.sum()) - half)
    return reach if reach < half else None
