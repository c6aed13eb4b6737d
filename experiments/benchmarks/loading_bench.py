"""Random crops from image files to batches, on one core: the data module's loader beside torchvision's ImageFolder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from pictures import mosaic, photographs
from sides import Comparison, take_turns
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from lic_lightning.data.datamodule import DataModule
from lic_lightning.data.dataset import Category
from lic_lightning.data.layouts.folder import FolderDataset

CROP = 128
KINDS = {"PNG 768×512": (768, 512, "png"), "JPEG 768×512": (768, 512, "jpg"), "JPEG 4000×3000": (4000, 3000, "jpg")}


def compare(quick: bool) -> list[Comparison]:
    """Kodak's format, and a camera's."""
    torch.set_num_threads(1)
    count, turns = (4, 1) if quick else (24, 5)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        files = photographs(Path(scratch) / "photographs", 24, quick)
        paths = [files.root / name for name in files.names]
        for kind, (width, height, suffix) in list(KINDS.items())[: 1 if quick else None]:
            number = count if width < 1000 else max(count // 6, 1)
            folder = Path(scratch) / kind / "one class"
            folder.mkdir(parents=True)
            for index in range(number):
                mosaic(paths[index:] + paths[:index], width, height).save(folder / f"{index}.{suffix}", quality=92)
            runs = take_turns({"lic_lightning": _ours(folder), "ImageFolder": _theirs(folder.parent)}, turns)
            per_image = {side: [seconds / number for seconds in values] for side, values in runs.items()}
            speeds = [number / min(values) for values in runs.values()]
            note = "at best {:.0f} and {:.0f} images per second and core".format(*speeds)
            rows.append(Comparison(f"one {CROP}² crop of {kind}", "s per image", per_image, note=note))
    return rows


def _ours(folder: Path) -> Callable[[], object]:
    dataset = FolderDataset(folder)
    category = Category("one", dataset, {"train": len(dataset), "val": 0, "test": 0})
    loader = DataModule(category, crop=CROP, batch_size=4, workers=0).train_dataloader()
    return lambda: [batch.image for batch in loader]


def _theirs(root: Path) -> Callable[[], object]:
    steps = [v2.PILToTensor(), v2.RandomCrop(CROP), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)]
    loader = DataLoader(ImageFolder(str(root), v2.Compose(steps)), batch_size=4, shuffle=True, drop_last=True)
    return lambda: [images for images, _ in loader]
