"""Photographs: datasets by their official layouts, splits, crops, and the DataModule that serves them."""

from lic_lightning.data.batch import Batch, Sample, collate
from lic_lightning.data.datamodule import DataModule
from lic_lightning.data.dataset import (
    Category,
    Concat,
    DatasetNotFoundError,
    ImageDataset,
    MalformedDatasetError,
    Subset,
)
from lic_lightning.data.images import CorruptImageError, read_image
from lic_lightning.data.layouts.coco import CocoPanoptic
from lic_lightning.data.layouts.embedded import DemoTiles
from lic_lightning.data.layouts.folder import FolderDataset, kodak
from lic_lightning.data.layouts.food101 import Food101
from lic_lightning.data.layouts.jpeg_ai import jpeg_ai_test
from lic_lightning.data.layouts.listed import ListDataset
from lic_lightning.data.synthetic import Synthetic
