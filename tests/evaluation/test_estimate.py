"""The estimated rate without a second run of the transforms: the same numbers for less work."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from skimage import data
from torch import nn

from lic_lightning.codecs.weights import load_codec
from lic_lightning.evaluation.estimate import Transforms

SIZES = {
    "bmshj2018-factorized": {"N": 8, "M": 12},
    "bmshj2018-hyperprior": {"N": 8, "M": 12},
    "mbt2018-mean": {"N": 8, "M": 12},
    "mbt2018": {"N": 12, "M": 12},
    "cheng2020-attn": {"N": 8},
    "elic2022-official": {"N": 8, "M": 144},
}
PICTURE = torch.from_numpy(data.astronaut()[:128, 100:164].copy()).permute(2, 0, 1)[None].float() / 255


def coded(codec: nn.Module) -> Transforms:
    transforms = Transforms(codec)
    with transforms.encoding():
        encoded = codec.compress(PICTURE)
    with transforms.decoding():
        codec.decompress(**encoded)
    return transforms


@pytest.mark.parametrize("name", SIZES)
@torch.no_grad()
def test_likelihoods_are_those_of_a_whole_forward(name: str) -> None:
    torch.manual_seed(0)
    codec = load_codec(name, lmbda=0.013, **SIZES[name])  # type: ignore[arg-type]
    found, expected = coded(codec).likelihoods(PICTURE), codec(PICTURE)["likelihoods"]
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert found[key].log2().sum().item() == pytest.approx(values.log2().sum().item(), rel=1e-5)


@torch.no_grad()
def test_no_transform_runs_again() -> None:
    codec = load_codec("mbt2018-mean", lmbda=0.013, N=8, M=12)
    runs: Counter[str] = Counter()
    transforms = coded(codec)
    for name in ("g_a", "h_a", "h_s", "g_s"):
        codec.get_submodule(name)[0].register_forward_hook(lambda *_, name=name: runs.update([name]))
    transforms.likelihoods(PICTURE)
    assert not runs
    codec(PICTURE)
    assert runs.total() == 4


@torch.no_grad()
def test_another_picture_runs_through_them_again() -> None:
    codec = load_codec("mbt2018-mean", lmbda=0.013, N=8, M=12)
    found, expected = coded(codec).likelihoods(PICTURE.flip(3)), codec(PICTURE.flip(3))["likelihoods"]
    assert all(found[key].equal(expected[key]) for key in expected)


@torch.no_grad()
def test_an_output_that_was_changed_in_place_is_computed_again() -> None:
    codec = load_codec("mbt2018-mean", lmbda=0.013, N=8, M=12)
    transforms = Transforms(codec)
    with transforms.encoding():
        codec.g_a(PICTURE).zero_()
    assert transforms.likelihoods(PICTURE)["y"].equal(codec(PICTURE)["likelihoods"]["y"])
