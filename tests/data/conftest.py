"""Folders of small pictures, made on the spot."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of ten distinct 40x48 PNGs, p0.png to p9.png."""
    folder = tmp_path / "photos"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for i in range(10):
        Image.fromarray(draw.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(folder / f"p{i}.png")
    return folder


@pytest.fixture
def real() -> Path:
    """The folder of real photographs that LIC_DATA names."""
    if "LIC_DATA" not in os.environ:
        pytest.skip("LIC_DATA is not set: no real photographs")
    root = Path(os.environ["LIC_DATA"])
    if not root.is_dir():
        pytest.skip(f"LIC_DATA={root} does not exist: no real photographs")
    return root
