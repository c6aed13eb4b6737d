"""What a dataset yields (Sample) and what codecs, objectives and tasks take (Batch)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass
class Sample:
    """One picture as stored, 8 bits a channel, with whatever its dataset knows about it."""

    image: Tensor  # (3, H, W) uint8
    name: str  # unique in its dataset
    mask: Tensor | None = None  # (H, W) int64, region ids
    boxes: Tensor | None = None  # (n, 4) float32, x1 y1 x2 y2 in pixels
    label: int | None = None
    visible: Tensor | None = None  # (H, W) bool, False in the margins of a padded picture; None: all of it
    y_hat: Tensor | None = None  # (M, h, w) float32, what an encoder is to give of the picture


@dataclass
class Batch:
    """B pictures of one size. Annotations are None unless every sample of the batch has them."""

    image: Tensor  # (B, 3, H, W) float32 in [0, 1]
    name: list[str]
    mask: Tensor | None = None  # (B, H, W) int64, region ids
    boxes: list[Tensor] | None = None  # B tensors (n_i, 4) float32, x1 y1 x2 y2 in pixels
    label: Tensor | None = None  # (B,) int64
    visible: Tensor | None = None  # (B, 1, H, W) bool, False where the decoder will cut off; None: nowhere
    y_hat: Tensor | None = None  # (B, M, h, w) float32, what an encoder is to give of them

    def seen(self, x_hat: Tensor) -> Tensor:
        """Reconstructions (B,3,H,W) as an objective should take them: right where nobody looks.

        Its mean over the image is then the visible part's distortion times the visible share, as its rate is: bits of
        the margins count, errors there do not.
        """
        return x_hat if self.visible is None else torch.where(self.visible, x_hat, self.image.to(x_hat.dtype))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch on another device."""
        return self._map(lambda t: t.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory (called by the DataLoader)."""
        return self._map(Tensor.pin_memory)

    def _map(self, move: Callable[[Tensor], Tensor]) -> Batch:
        def moved(value):
            if isinstance(value, Tensor):
                return move(value)
            return [moved(item) for item in value] if isinstance(value, list) else value

        return Batch(**{f.name: moved(getattr(self, f.name)) for f in fields(self)})


def collate(samples: list[Sample]) -> Batch:
    """Stack samples of one size into a Batch; uint8 becomes float32 in [0, 1] here and nowhere else.

    Raises:
        RuntimeError: the images differ in size (torch.stack).
    """
    masks = [s.mask for s in samples if s.mask is not None]
    boxes = [s.boxes for s in samples if s.boxes is not None]
    labels = [s.label for s in samples if s.label is not None]
    latents = [s.y_hat for s in samples if s.y_hat is not None]
    visible = [torch.ones(s.image.shape[1:], dtype=torch.bool) if s.visible is None else s.visible for s in samples]
    count = len(samples)
    return Batch(
        image=torch.stack([s.image for s in samples]).float() / 255,
        name=[s.name for s in samples],
        mask=torch.stack(masks) if len(masks) == count else None,
        boxes=boxes if len(boxes) == count else None,
        label=torch.tensor(labels) if len(labels) == count else None,
        visible=None if all(s.visible is None for s in samples) else torch.stack(visible)[:, None],
        y_hat=torch.stack(latents) if len(latents) == count else None,
    )
