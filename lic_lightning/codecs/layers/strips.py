"""Local layers in strips of rows: memory at inference is that of the coarse maps, not of the fine ones."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

# Positions of a strip at the coarser side of its layer: 0.5 megapixel of the image at a quarter of its size
STRIP = 2**15


def by_strips(
    function: Callable[..., Tensor], *inputs: Tensor, halo: int = 0, scale: float = 1.0, multiple: int = 1
) -> Tensor:
    """`function(*inputs)`, computed in strips of whole rows where no gradient is wanted and the maps are large.

    Where a strip is cut its layers see zeros in place of their neighbours; the `halo` of rows that this spoils is
    computed twice and cut off, so the result is that of the whole map up to the order of sums. The height of a strip
    depends on the shape alone: encoder and decoder always cut alike.

    Args:
        function: of maps (B,C,H,W) to one map (B,C',H·scale,W·scale), each row of which depends on nearby rows only.
        inputs: maps of one height and width.
        halo: input rows beyond a strip that its output depends on; a multiple of `multiple` and of 1 / scale.
        scale: output rows per input row, a power of two.
        multiple: strips start at a multiple of this row.
    """
    height, width = inputs[0].shape[2:]
    multiple = max(multiple, int(1 / scale))
    rows = max(int(STRIP / min(scale, 1.0) ** 2) // width // multiple, 1) * multiple
    if torch.is_grad_enabled() or height <= rows:
        return function(*inputs)
    whole: Tensor | None = None
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = max(top - halo, 0), min(bottom + halo, height)
        strip = function(*(x[:, :, first:last] for x in inputs))
        if whole is None:
            whole = strip.new_empty(*strip.shape[:2], int(height * scale), strip.size(3))
        begin, end = int((top - first) * scale), int((bottom - first) * scale)
        whole[:, :, int(top * scale) : int(bottom * scale)] = strip[:, :, begin:end]
    assert whole is not None
    return whole


class InStrips(nn.Sequential):
    """Local layers one after the other, each strip through all of them (see `by_strips`)."""

    def __init__(self, *layers: nn.Module, halo: int, scale: float = 1.0) -> None:
        super().__init__(*layers)
        self.halo, self.scale = halo, scale

    def forward(self, x: Tensor) -> Any:
        """Map (B,C,H,W) to map (B,C',H·scale,W·scale)."""
        return by_strips(super().forward, x, halo=self.halo, scale=self.scale)
