"""Square crops of whole pictures: random for training, central for validation."""

import random
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2.functional import InterpolationMode, resize

from lic_lightning.data.batch import Sample
from lic_lightning.data.dataset import ImageDataset

Augment = Callable[[Tensor], Tensor]


class Crops(Dataset[Sample]):
    """`size` x `size` crops of a dataset's pictures; pictures smaller than that are enlarged first.

    The key is `(index, seed)` for a random crop and flip that depend on the seed alone, never on a worker's
    random state, or a plain index for the central crop (validation; Lightning's overfit_batches). `augment` changes
    the pixels of a random crop (3,H,W) uint8, never its geometry; torch's generator is seeded for it, and put back.
    """

    def __init__(
        self, dataset: ImageDataset, size: int, hflip: bool = True, vflip: bool = False, augment: Augment | None = None
    ) -> None:
        self.dataset, self.size, self.hflip, self.vflip, self.augment = dataset, size, hflip, vflip, augment

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: int | tuple[int, int]) -> Sample:
        if isinstance(key, int):
            sample = enlarge(self.dataset[key], self.size)
            height, width = sample.image.shape[1:]
            return crop(sample, (height - self.size) // 2, (width - self.size) // 2, self.size)
        index, seed = key
        sample = enlarge(self.dataset[index], self.size)
        height, width = sample.image.shape[1:]
        draw = random.Random(seed)
        top, left = draw.randint(0, height - self.size), draw.randint(0, width - self.size)
        sample = crop(sample, top, left, self.size)
        if draw.random() < 0.5 and self.hflip:
            sample = flip(sample, -1)
        if draw.random() < 0.5 and self.vflip:
            sample = flip(sample, -2)
        if self.augment is None:
            return sample
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return replace(sample, image=self.augment(sample.image))


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


def crop(sample: Sample, top: int, left: int, size: int) -> Sample:
    """Cut a square. Region ids are renumbered 0…K-1; boxes are clipped and empty ones dropped."""
    mask, boxes = sample.mask, sample.boxes
    if mask is not None:
        mask = torch.unique(mask[top : top + size, left : left + size], return_inverse=True)[1]
    if boxes is not None:
        boxes = (boxes - torch.tensor([left, top, left, top])).clamp(0, size)
        boxes = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]
    image = sample.image[:, top : top + size, left : left + size]
    return replace(sample, image=image, mask=mask, boxes=boxes)


def flip(sample: Sample, axis: int) -> Sample:
    """Mirror along the image axis: -1 left-right, -2 upside down."""
    mask, boxes = sample.mask, sample.boxes
    if mask is not None:
        mask = mask.flip(axis)
    if boxes is not None:
        low, high = (0, 2) if axis == -1 else (1, 3)
        boxes = boxes.clone()
        boxes[:, [low, high]] = sample.image.shape[axis] - boxes[:, [high, low]]
    return replace(sample, image=sample.image.flip(axis), mask=mask, boxes=boxes)
