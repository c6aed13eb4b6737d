"""Square crops of whole pictures: random for training, central for validation."""

import random
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2.functional import InterpolationMode, resize

from lic_lightning.codecs.padding import Frame, edge
from lic_lightning.data.batch import Sample
from lic_lightning.data.dataset import ImageDataset

Augment = Callable[[Tensor], Tensor]


class Crops(Dataset[Sample]):
    """`size` x `size` crops of a dataset's pictures; pictures smaller than that are enlarged first.

    The key is `(index, seed)` for a random crop and flip that depend on the seed alone, never on a worker's
    random state, or a plain index for the central crop (validation; Lightning's overfit_batches). `augment` changes
    the pixels of a random crop (3,H,W) uint8, never its geometry; torch's generator is seeded for it, and put back.

    With a `padding` random crops are cut from the picture as a codec of that `stride` will see it, margins and all:
    an encoder that is judged on borders has then met them.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        size: int,
        hflip: bool = True,
        vflip: bool = False,
        augment: Augment | None = None,
        padding: str | None = None,
        stride: int = 64,
    ) -> None:
        self.dataset, self.size, self.hflip, self.vflip, self.augment = dataset, size, hflip, vflip, augment
        self.padding, self.stride = padding, stride

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: int | tuple[int, int]) -> Sample:
        if isinstance(key, int):
            sample = enlarge(self.dataset[key], self.size)
            height, width = sample.image.shape[1:]
            return crop(sample, (height - self.size) // 2, (width - self.size) // 2, self.size)
        index, seed = key
        sample, draw = enlarge(self.dataset[index], self.size), random.Random(seed)
        sample = self._inside(sample, draw) if self.padding is None else self._framed(sample, draw, self.padding)
        if draw.random() < 0.5 and self.hflip:
            sample = flip(sample, -1)
        if draw.random() < 0.5 and self.vflip:
            sample = flip(sample, -2)
        if self.augment is None:
            return sample
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return replace(sample, image=self.augment(sample.image))

    def _inside(self, sample: Sample, draw: random.Random) -> Sample:
        height, width = sample.image.shape[1:]
        return crop(sample, draw.randint(0, height - self.size), draw.randint(0, width - self.size), self.size)

    def _framed(self, sample: Sample, draw: random.Random, padding: str) -> Sample:
        frame = Frame.of(sample.image, self.stride)
        left, _, top, _ = frame.margins
        row, column = (draw.randint(0, side - self.size) for side in frame.padded)
        within = 0 <= row - top <= frame.height - self.size and 0 <= column - left <= frame.width - self.size
        if within:  # most crops of a large picture, which is then not copied
            return crop(sample, row - top, column - left, self.size)
        return crop(framed(sample, frame, padding), row, column, self.size)


def enlarge(sample: Sample, size: int) -> Sample:
    """Scale so that the short side is `size` where it is less: bicubic, masks by nearest neighbour."""
    height, width = sample.image.shape[1:]
    if min(height, width) >= size:
        return sample
    image = resize(sample.image, [size], interpolation=InterpolationMode.BICUBIC)
    mask, boxes = sample.mask, sample.boxes
    if mask is not None:
        mask = resize(mask[None], list(image.shape[1:]), interpolation=InterpolationMode.NEAREST_EXACT)[0]
    if boxes is not None:
        boxes = boxes * torch.tensor([image.shape[2] / width, image.shape[1] / height] * 2)
    return replace(sample, image=image, mask=mask, boxes=boxes)


def framed(sample: Sample, frame: Frame, padding: str) -> Sample:
    """The picture in its frame; regions reach into the margins, as their pixels do."""
    left, _, top, _ = margins = frame.margins
    return replace(
        sample,
        image=frame.pad(sample.image, padding),
        mask=None if sample.mask is None else edge(sample.mask, margins),
        boxes=None if sample.boxes is None else sample.boxes + torch.tensor([left, top] * 2),
        visible=F.pad(torch.ones(sample.image.shape[1:], dtype=torch.bool), margins),
    )


def crop(sample: Sample, top: int, left: int, size: int) -> Sample:
    """Cut a square. Region ids are renumbered 0…K-1; boxes are clipped and empty ones dropped."""
    mask, boxes, visible = sample.mask, sample.boxes, sample.visible
    if mask is not None:
        mask = torch.unique(mask[top : top + size, left : left + size], return_inverse=True)[1]
    if boxes is not None:
        boxes = (boxes - torch.tensor([left, top, left, top])).clamp(0, size)
        boxes = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]
    if visible is not None:
        visible = visible[top : top + size, left : left + size]
        visible = None if visible.all() else visible
    image = sample.image[:, top : top + size, left : left + size]
    return replace(sample, image=image, mask=mask, boxes=boxes, visible=visible)


def flip(sample: Sample, axis: int) -> Sample:
    """Mirror along the image axis: -1 left-right, -2 upside down."""
    mask, boxes = sample.mask, sample.boxes
    if mask is not None:
        mask = mask.flip(axis)
    if boxes is not None:
        low, high = (0, 2) if axis == -1 else (1, 3)
        boxes = boxes.clone()
        boxes[:, [low, high]] = sample.image.shape[axis] - boxes[:, [high, low]]
    visible = None if sample.visible is None else sample.visible.flip(axis)
    return replace(sample, image=sample.image.flip(axis), mask=mask, boxes=boxes, visible=visible)
