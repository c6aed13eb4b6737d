"""Photographs to measure with: Kodak's where LIC_DATA has them, else crops of two pictures of scikit-image."""

from __future__ import annotations

import os
import shutil
from itertools import cycle
from pathlib import Path

from PIL import Image
from skimage import data

from lic_lightning.data.layouts.folder import FolderDataset


def photographs(folder: Path, most: int, quick: bool) -> FolderDataset:
    """At most so many pictures, copied to a new `folder`."""
    folder.mkdir(parents=True)
    kodak = Path(os.environ.get("LIC_DATA", "/nonexistent")) / "kodak"
    if kodak.is_dir() and not quick:
        for file in sorted(kodak.glob("*.png"))[:most]:
            shutil.copy(file, folder)
    else:
        for index in range(most):
            image = (data.astronaut, data.coffee)[index % 2]()
            Image.fromarray(image[8 * index : 8 * index + 192, 100:276]).save(folder / f"{index}.png")
    return FolderDataset(folder)


def mosaic(files: list[Path], width: int, height: int) -> Image.Image:
    """Photographs side by side and below each other, cut at the right and the bottom."""
    picture = Image.new("RGB", (width, height))
    following = cycle(files)
    for top in range(0, height, 512):
        for left in range(0, width, 768):
            with Image.open(next(following)) as image:
                picture.paste(image if image.width >= image.height else image.rotate(90, expand=True), (left, top))
    return picture
