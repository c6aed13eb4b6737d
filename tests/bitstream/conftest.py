"""Small codecs whose streams are not trivial, and small photographs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from skimage import data as skimage_data
from torch import Tensor, nn

from lic_lightning.bitstream import FileCodec
from lic_lightning.codecs import entropy
from lic_lightning.codecs.weights import load_codec

SIZES = {
    "bmshj2018-factorized": {"N": 8, "M": 12},
    "bmshj2018-hyperprior": {"N": 8, "M": 12},
    "mbt2018-mean": {"N": 8, "M": 12},
    "mbt2018": {"N": 12, "M": 12},
    "cheng2020-anchor": {"N": 8},
    "cheng2020-attn": {"N": 8},
    "elic2022-official": {"N": 8},
    "segpic": {"N": 8, "M": 16},
}


@pytest.fixture(scope="session")
def make_codec() -> Callable[[str], nn.Module]:
    """Makes a small codec by name."""
    return _make


def _make(name: str) -> nn.Module:
    """A small untrained codec with latents of several units, so that its streams hold real symbols."""
    torch.manual_seed(0)
    codec = load_codec(name, lmbda=0.013, **SIZES.get(name, {}))
    with torch.no_grad():
        for module in codec.modules():
            if hasattr(module, "quantiles"):
                for parameter in module.parameters():
                    parameter.add_(0.1 * torch.randn_like(parameter))
        if "g_a" in dict(codec.named_children()):
            last = [parameter for key, parameter in codec.g_a.named_parameters() if key.endswith("weight")][-1]
            last.mul_(20)
    entropy.solve_quantiles(codec)
    return codec


@pytest.fixture(scope="session")
def photograph() -> Tensor:
    """A real photograph whose sides are no multiples of anything: (3, 150, 203) uint8."""
    return torch.from_numpy(skimage_data.astronaut()).permute(2, 0, 1)[:, 20:170, 150:353].contiguous()


@pytest.fixture(scope="session")
def mean() -> FileCodec:
    """A small mbt2018-mean."""
    return FileCodec("mbt2018-mean", _make("mbt2018-mean"))
