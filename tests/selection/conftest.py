"""A small reference, and encoders tuned under its decoder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from skimage import data as skimage_data
from torch import Tensor, nn

from lic_lightning.bitstream import FileCodec
from lic_lightning.codecs import entropy
from lic_lightning.codecs.delta import delta, write_delta
from lic_lightning.codecs.weights import load_codec, save_state

CODEC, LMBDA = "mbt2018-mean", 0.013


@pytest.fixture(scope="session")
def photograph() -> Tensor:
    """A real photograph: (3, 128, 192) uint8."""
    return torch.from_numpy(skimage_data.coffee()).permute(2, 0, 1)[:, 100:228, 200:392].contiguous()


@pytest.fixture(scope="session")
def reference() -> nn.Module:
    """A small codec whose streams hold real symbols."""
    torch.manual_seed(0)
    codec = load_codec(CODEC, lmbda=LMBDA, N=8, M=12)
    with torch.no_grad():
        for parameter in codec.entropy_bottleneck.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        codec.g_a[6].weight.mul_(20)
    entropy.solve_quantiles(codec)
    return codec


@pytest.fixture(scope="session")
def tuned(reference: nn.Module) -> dict[str, nn.Module]:
    """Two encoders under the reference's decoder: `food` has smaller latents, `pets` noisy ones."""
    return {"food": _with_scaled_latents(reference, 0.5), "pets": _with_scaled_latents(reference, 3.0)}


def _with_scaled_latents(reference: nn.Module, factor: float) -> nn.Module:
    codec = load_codec(CODEC, lmbda=LMBDA, N=8, M=12)
    entropy.fit_cdf_buffers(codec, state := {name: t.clone() for name, t in reference.state_dict().items()})
    nn.Module.load_state_dict(codec, state)
    with torch.no_grad():
        codec.g_a[6].weight.mul_(factor)
    return codec.eval()


@pytest.fixture
def base(tmp_path: Path, reference: nn.Module) -> Path:
    """The reference's file."""
    path = tmp_path / "references" / "base.safetensors"
    save_state(reference, path)
    return path


@pytest.fixture
def deltas(tmp_path: Path, reference: nn.Module, tuned: dict[str, nn.Module]) -> Path:
    """A folder with the delta of each encoder."""
    for name, codec in tuned.items():
        write_delta(tmp_path / "deltas" / f"{name}.delta.safetensors", delta(CODEC, reference, codec, name, LMBDA))
    return tmp_path / "deltas"


@pytest.fixture(scope="session")
def encoders(reference: nn.Module, tuned: dict[str, nn.Module]) -> dict[str, FileCodec]:
    """As `load_encoders` gives them."""
    return {name: FileCodec(CODEC, codec) for name, codec in {"reference": reference, **tuned}.items()}
