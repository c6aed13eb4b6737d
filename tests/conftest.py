"""What tests share: the command line in-process, small codecs, small real photographs."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data as skimage_data

os.environ.setdefault("WANDB_MODE", "offline")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two categories, `general` and `food`, of eight real photographs of 192×176 each."""
    root = tmp_path_factory.mktemp("photographs")
    sources = {"food": skimage_data.coffee(), "general": skimage_data.astronaut()}
    for category, image in sources.items():
        (root / category).mkdir()
        for index in range(8):
            top, left = 24 * index, 40 * (index % 5)
            Image.fromarray(image[top : top + 192, left : left + 176]).save(root / category / f"{index}.png")
    return root


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Overrides that make a run small."""
    return TINY


@pytest.fixture
def lic_train(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`lic train` with overrides, on tiny codecs and photographs; returns the output folder."""
    return _runner("train", photographs, tmp_path, monkeypatch)


@pytest.fixture
def lic_evaluate(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`lic evaluate` with overrides; returns the output folder."""
    return _runner("evaluate", photographs, tmp_path, monkeypatch)


def _runner(command: str, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.setenv("LIC_DATA", str(photographs))
    monkeypatch.setenv("LIC_OUTPUT", str(tmp_path / "outputs"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")

    def run(*overrides: str) -> Path:
        entry = importlib.import_module(f"lic_lightning.commands.{command}")
        chosen = {override.partition("=")[0] for override in overrides}
        defaults = [tiny for tiny in TINY if tiny.partition("=")[0] not in chosen]
        if "codec" in chosen:
            defaults = [tiny for tiny in defaults if tiny not in ("codec.N=8", "codec.M=12")]
        monkeypatch.setattr("sys.argv", [f"lic {command}", *sorted([*defaults, *overrides], key=lambda o: o != "-m")])
        entry.main()
        return tmp_path / "outputs"

    return run


TINY = (
    "codec.weights=none",
    "codec.N=8",
    "codec.M=12",
    "category=food",
    "data.crop=64",
    "data.batch_size=2",
    "data.workers=0",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "++callbacks.progress_bar=null",  # `lic evaluate` has no callbacks
    "evaluation.classic=[]",
)
