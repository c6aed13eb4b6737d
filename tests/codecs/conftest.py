"""Small codecs whose symbols are spread out, and real pictures for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from skimage import data as skimage_data
from torch import Tensor, nn

from lic_lightning.codecs import entropy
from lic_lightning.codecs.weights import load_codec
from lic_lightning.data.images import read_image

SIZES: dict[str, dict[str, int]] = {
    "bmshj2018-factorized": {"N": 8, "M": 12},
    "bmshj2018-hyperprior": {"N": 8, "M": 12},
    "mbt2018-mean": {"N": 8, "M": 12},
    "mbt2018": {"N": 12, "M": 12},
    "cheng2020-anchor": {"N": 12},
    "cheng2020-attn": {"N": 12},
    "elic2022-official": {"N": 8, "M": 144},
    "segpic": {"N": 16, "M": 32},
}


@pytest.fixture(scope="session")
def spread_out() -> Callable[..., nn.Module]:
    """Makes an untrained codec whose latents and hyper-latents have many values, some outside their tables."""

    def make(name: str, **settings: object) -> nn.Module:
        torch.manual_seed(0)
        codec = load_codec(name, lmbda=0.013, **SIZES[name], **settings)  # type: ignore[arg-type]
        g_a = codec.g_a2[1].sal.affine.modules() if name == "segpic" else codec.g_a
        *_, last = (module for module in g_a if isinstance(module, nn.Conv2d))
        with torch.no_grad():
            last.weight.mul_(60)
            for key, parameter in codec.named_parameters():
                if key.rpartition(".h_s.")[1] or key.startswith("h_s") or "bottleneck.biases" in key:
                    parameter.add_(0.2 * torch.randn_like(parameter))
        entropy.solve_quantiles(codec)
        return codec

    return make


@pytest.fixture(scope="session")
def pictures() -> dict[str, Tensor]:
    """Two crops in Kodak's way, of Kodak where it is at hand, and a small one; (1,3,H,W), multiples of 64."""
    kodak = sorted((Path(os.environ.get("LIC_DATA", "/nonexistent")) / "kodak").glob("*.png"))
    cat = torch.from_numpy(skimage_data.chelsea()).permute(2, 0, 1)
    wide = read_image(kodak[4]) if kodak else cat
    tall = read_image(kodak[3]) if kodak else cat.flip(2)
    crops = {"wide": wide[:, 40:168, 60:252], "tall": tall[:, 30:222, 100:228], "small": cat[:, 100:164, 150:214]}
    return {name: crop[None].float() / 255 for name, crop in crops.items()}
