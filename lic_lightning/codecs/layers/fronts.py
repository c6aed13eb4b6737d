"""Walks over the positions of ŷ, each of which knows σ and μ of a position from the ŷ before it.

The 5×5 causal context of position (row, column) reaches two columns to the right in the rows above, so all positions
with the same column + 3·row know their context at the same time. Such a front is one matrix product per layer:

    row 0   0 1 2 3 4 5 …        768×512 pixels have 48×32 positions,
    row 1         3 4 5 6 …      which are 141 fronts
    row 2               6 7 …

The half of the first entropy layer that reads the hyperprior is one product for all positions, outside the loop.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from compressai.models import JointAutoregressiveHierarchicalPriors
from torch import Tensor, nn

REACH = 2  # positions that the context reaches to the left, to the right and upwards
SLOPE = REACH + 1  # columns by which a front moves to the left from one row to the next

SymbolsOf = Callable[[slice, Tensor, Tensor], Tensor]  # positions, their scales and means (B,n,M) → symbols (B,n,M)
Coded = tuple[Tensor, Tensor, Tensor]  # ŷ, scales and means (B,M,h,w)
Walk = Callable[[JointAutoregressiveHierarchicalPriors, Tensor, SymbolsOf], Coded]


@dataclass(frozen=True)
class Front:
    """Positions that are coded together: row `first` at column `column`, each next row SLOPE columns to the left."""

    first: int
    rows: int
    column: int

    def positions(self, width: int) -> slice:
        """Where they are among all positions of a picture, counted row by row."""
        step = width - SLOPE
        start = self.first * width + self.column
        return slice(start, start + (self.rows - 1) * step + 1, step)


def fronts(height: int, width: int) -> Iterator[Front]:
    for time in range(width + SLOPE * (height - 1)):
        first = max(0, -((width - 1 - time) // SLOPE))
        last = min(height - 1, time // SLOPE)
        yield Front(first, last - first + 1, time - SLOPE * first)


@torch.no_grad()
def by_fronts(codec: JointAutoregressiveHierarchicalPriors, params: Tensor, symbols_of: SymbolsOf) -> Coded:
    """ŷ, scales and means (B,M,h,w) for `params` (B,2M,h,w), `symbols_of` giving the symbols of each front."""
    batch, _, height, width = params.shape
    context = codec.context_prediction
    kernel = context.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (25·M, 2M)
    channels = context.weight.size(1)
    causal = kernel[: (REACH * (2 * REACH + 1) + REACH) * channels].T.contiguous()  # (2M, 12·M)
    first, *later = codec.entropy_parameters
    from_params, from_context = first.weight.flatten(1).split(params.size(1), dim=1)
    from_context = from_context.contiguous()

    # A border as wide as the reach, so that the context of a row is one stretch of memory.
    padded = width + 2 * REACH
    latents = torch.zeros(batch, (height + REACH) * padded, channels, device=params.device)
    parameters = torch.empty(batch, height * width, 2 * channels, device=params.device)

    with _one_thread(), torch.autocast(params.device.type, enabled=False):
        positions_of_params = params.float().flatten(2).transpose(1, 2).flatten(0, 1)
        hidden = F.linear(positions_of_params, from_params, first.bias).unflatten(0, (batch, -1))
        for front in fronts(height, width):
            inside = Front(front.first + REACH, front.rows, front.column + REACH).positions(padded)
            here = front.positions(width)
            known = torch.cat([_row_above(latents, inside, padded, above) for above in range(REACH, -1, -1)], dim=2)
            x = F.linear(F.linear(known.flatten(0, 1), causal, context.bias), from_context)
            x = x + hidden[:, here].flatten(0, 1)
            for layer in later:
                x = F.linear(x, layer.weight.flatten(1), layer.bias) if isinstance(layer, nn.Conv2d) else layer(x)
            parameters[:, here] = x.unflatten(0, (batch, -1))
            scales, means = parameters[:, here].chunk(2, dim=2)
            latents[:, inside] = symbols_of(here, scales, means) + means
    y_hat = latents.unflatten(1, (height + REACH, padded))[:, REACH:, REACH:-REACH].permute(0, 3, 1, 2)
    scales, means = parameters.transpose(1, 2).unflatten(2, (height, width)).chunk(2, 1)
    return y_hat, scales, means


def _row_above(latents: Tensor, inside: slice, padded: int, above: int) -> Tensor:
    """For each position of a front what lies within reach `above` rows higher, side by side: (B, n, 2M or 5M)."""
    batch, positions, channels = latents.shape
    count = len(range(inside.start, inside.stop, inside.step))
    reached = 2 * REACH + 1 if above else REACH
    start = inside.start - above * padded - REACH
    return latents.as_strided(
        (batch, count, reached * channels), (positions * channels, inside.step * channels, 1), start * channels
    )


@torch.no_grad()
def by_positions(codec: JointAutoregressiveHierarchicalPriors, params: Tensor, symbols_of: SymbolsOf) -> Coded:
    """As `by_fronts`, for one image, position by position: CompressAI's two loops."""
    _, _, height, width = params.shape
    context = codec.context_prediction
    kernel = context.weight * context.mask
    latents = params.new_zeros(1, context.weight.size(1), height + 2 * REACH, width + 2 * REACH)
    scales, means = (torch.empty_like(latents[..., REACH:-REACH, REACH:-REACH]) for _ in range(2))
    for row in range(height):
        for column in range(width):
            around = latents[:, :, row : row + 2 * REACH + 1, column : column + 2 * REACH + 1]
            here = torch.cat(
                (params[:, :, row : row + 1, column : column + 1], F.conv2d(around, kernel, context.bias)), 1
            )
            scale, mean = codec.entropy_parameters(here).flatten(1).chunk(2, 1)
            position = row * width + column
            symbols = symbols_of(slice(position, position + 1), scale.unsqueeze(1), mean.unsqueeze(1))
            latents[:, :, row + REACH, column + REACH] = symbols.squeeze(1) + mean
            scales[:, :, row, column], means[:, :, row, column] = scale, mean
    return latents[..., REACH:-REACH, REACH:-REACH], scales, means


def front_order(height: int, width: int) -> Tensor:
    """The positions of a picture, counted row by row, in the order of its fronts."""
    positions = torch.arange(height * width)
    return torch.cat([positions[front.positions(width)] for front in fronts(height, width)])


@contextmanager
def _one_thread() -> Iterator[None]:
    """The products are too small to share, and how they are shared may change their last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
