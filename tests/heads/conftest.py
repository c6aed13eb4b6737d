"""A small classification set of real photographs, small codecs, and `lic recognize` in-process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data as skimage_data
from torch import nn

from lic_lightning.codecs import entropy
from lic_lightning.codecs.registry import build
from lic_lightning.data.layouts.class_folders import Classification, class_folders

SIZES = {
    "bmshj2018-hyperprior": {"N": 8, "M": 12},
    "mbt2018-mean": {"N": 8, "M": 12},
    "mbt2018": {"N": 12, "M": 12},
    "cheng2020-anchor": {"N": 8},
    "elic2022-official": {"N": 8, "M": 136},
    "segpic": {"N": 16, "M": 32},
    "bmshj2018-factorized": {"N": 8, "M": 12},
}
SPLIT = {"train": 0.5, "val": 0.25, "test": 0.25}


@pytest.fixture(scope="session")
def labelled_photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of eight 64×64 crops each."""
    root = tmp_path_factory.mktemp("labelled")
    for name, image in {"coffee": skimage_data.coffee(), "cat": skimage_data.chelsea()}.items():
        (root / name).mkdir()
        for index in range(8):
            top, left = 20 * index, 30 * index
            Image.fromarray(image[top : top + 64, left : left + 64]).save(root / name / f"{index}.png")
    return root


@pytest.fixture
def classification(labelled_photographs: Path) -> Classification:
    return class_folders("photographs", labelled_photographs, SPLIT)


@pytest.fixture
def small_codec() -> Callable[..., nn.Module]:
    """An untrained codec of a name, with latents that are not all zero, ready to code."""

    def make(name: str, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        codec = build(name, 1, **SIZES[name])
        g_a = codec.g_a2[1].sal.affine if name == "segpic" else codec.g_a
        last = [module for module in g_a.modules() if isinstance(module, nn.Conv2d)][-1]
        with torch.no_grad():
            last.weight.mul_(40)
        entropy.apply_masks(codec)
        codec.update(force=True)
        return codec.eval()

    return make


@pytest.fixture
def lic_recognize(labelled_photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`lic recognize` with overrides on the small set, codec and head; returns the sweep's folder."""
    from lic_lightning.commands import recognize

    monkeypatch.setenv("LIC_OUTPUT", str(tmp_path))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")

    def run(*overrides: str) -> Path:
        chosen = {override.partition("=")[0] for override in overrides}
        tiny = [*TINY, f"dataset.root={labelled_photographs}"]
        argv = [*(override for override in tiny if override.partition("=")[0] not in chosen), *overrides]
        monkeypatch.setattr("sys.argv", ["lic recognize", *sorted(argv, key=lambda argument: argument != "-m")])
        recognize.main()
        return tmp_path / "recognize"

    return run


TINY = (
    "dataset=folder",
    "dataset.name=photographs",
    "dataset.split={train: 0.5, val: 0.25, test: 0.25}",
    "codec.weights=none",
    "codec.N=8",
    "codec.M=12",
    "head=small",
    "head.latents.blocks=[1,1,1]",
    "head.latents.width=0.0625",
    "head.latents_view={_target_: lic_lightning.heads.view.View, size: 8, crop: 6}",
    "head.pixels_view={_target_: lic_lightning.heads.view.View, size: 64, crop: 56}",
    "image_size=64",
    "data.batch_size=4",
    "data.workers=0",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "lmbda=0.013",
)
