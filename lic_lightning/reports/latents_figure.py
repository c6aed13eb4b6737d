"""What a head on latents sees: image, ŷ, σ̂ and prediction side by side, as in figure 6 of the paper."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from lic_lightning.reports.png import canvas, png

FIGURE = "figure_latents.png"


@dataclass(frozen=True)
class Example:
    """One row of the figure.

    Attributes:
        image: (3,H,W) uint8.
        y_hat: (M,h,w).
        scales: (M,h,w).
        caption: prediction and truth.
        right: True if they agree.
    """

    image: Tensor
    y_hat: Tensor
    scales: Tensor
    caption: str
    right: bool


def latents_figure(examples: Sequence[Example]) -> bytes:
    """PNG: a row an image; of ŷ the mean magnitude over its channels, of σ̂ the mean."""
    drawing = canvas(7.5, 2.4 * len(examples), dpi=110)
    grid = drawing.subplots(len(examples), 3, squeeze=False)
    for row, example in zip(grid, examples, strict=True):
        row[0].imshow(example.image.permute(1, 2, 0).numpy())
        row[1].imshow(example.y_hat.abs().mean(0).numpy(), cmap="viridis")
        row[2].imshow(example.scales.mean(0).numpy(), cmap="magma")
        row[0].set_ylabel(example.caption, fontsize=8, color="#006400" if example.right else "#a00000")
        for axes in row:
            axes.set(xticks=[], yticks=[])
    for axes, title in zip(grid[0], ("image", "mean |ŷ| over channels", "mean σ̂ over channels"), strict=True):
        axes.set_title(title, fontsize=9)
    return png(drawing)
