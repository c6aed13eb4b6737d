"""COCO 2017 with panoptic masks, in its official layout."""

import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lic_lightning.data.batch import Sample
from lic_lightning.data.dataset import MalformedDatasetError, check_files, not_found
from lic_lightning.data.image_files import ImageFiles
from lic_lightning.data.images import CorruptImageError, read_image


class CocoPanoptic(ImageFiles):
    """One part of COCO 2017: pictures with `mask`, region ids 0…K-1; unlabelled pixels are one region more.

    torchvision has no reader for the panoptic annotations, so the official JSON is read here.

    Args:
        root: the folder that contains train2017, val2017 and annotations.
        part: `train2017` or `val2017`.

    Raises:
        DatasetNotFoundError: pictures or annotations of the part are missing.
        MalformedDatasetError: the index names pictures or masks that are not there, or a picture without a mask.
    """

    def __init__(self, root: str | Path, part: str = "train2017") -> None:
        images = Path(root) / part
        self.masks = Path(root) / "annotations" / f"panoptic_{part}"
        index = self.masks.with_suffix(".json")
        if not (images.is_dir() and self.masks.is_dir() and index.is_file()):
            raise not_found(
                f"COCO {part} with panoptic masks",
                Path(root),
                f"{part}/*.jpg, annotations/panoptic_{part}.json, annotations/panoptic_{part}/*.png",
                "https://cocodataset.org/#download (2017 images, panoptic annotations with their inner zips)",
            )
        content = json.loads(index.read_text())
        mask_of = {entry["image_id"]: entry["file_name"] for entry in content["annotations"]}
        if bare := [image["file_name"] for image in content["images"] if image["id"] not in mask_of]:
            raise MalformedDatasetError(f"{index} has {len(bare)} images without a mask, the first is {bare[0]}")
        files = {image["file_name"]: mask_of[image["id"]] for image in content["images"]}
        super().__init__(images, sorted(files))
        self.mask_names = [files[name] for name in self.names]
        check_files(f"COCO {part}", images, self.names, index)
        check_files(f"COCO {part}", self.masks, self.mask_names, index)

    def __getitem__(self, index: int) -> Sample:
        sample, mask_file = super().__getitem__(index), self.masks / self.mask_names[index]
        mask, sides = read_regions(mask_file), sample.image.shape[1:]
        if mask.shape != sides:
            raise CorruptImageError(f"{mask_file}: the mask measures {tuple(mask.shape)}, its picture {tuple(sides)}")
        return replace(sample, mask=mask)


def read_regions(path: str | Path) -> Tensor:
    """A panoptic PNG (id = R + 256 G + 65536 B) as (H, W) int64, ids renumbered 0…K-1 in their order.

    Raises:
        FileNotFoundError: no such file.
        CorruptImageError: not an image, or truncated.
    """
    red, green, blue = read_image(path).long()
    return torch.unique(red + 256 * green + 65536 * blue, return_inverse=True)[1]
