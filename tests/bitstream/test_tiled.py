"""Tiles give what the whole transform gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lic_lightning.bitstream import FileCodec
from lic_lightning.codecs import tiled
from lic_lightning.codecs.analysis import put_analysis
from lic_lightning.codecs.registry import analysis_names
from lic_lightning.codecs.tiled import Grid, analysis, analysis_grid, synthesis, synthesis_grid

MakeCodec = Callable[[str], nn.Module]
LOCAL = ["bmshj2018-factorized", "mbt2018-mean", "cheng2020-attn", "elic2022-official"]


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "TILE", 64)


@pytest.fixture(scope="module")
def large() -> Tensor:
    """A photograph of several tiles and an odd rest, with sides that are multiples of 64."""
    from skimage import data as skimage_data

    return torch.from_numpy(skimage_data.astronaut()).permute(2, 0, 1)[:, :448, :512].contiguous()


@pytest.mark.parametrize("name", LOCAL)
@torch.no_grad()
def test_tiles_agree_with_the_whole(make_codec: MakeCodec, name: str, large: Tensor, small_tiles: None) -> None:
    codec = make_codec(name)
    grid = analysis_grid(codec.g_a, 64)
    y = analysis(codec.g_a, large, grid)
    whole = codec.g_a(large.float().div(255).unsqueeze(0))
    assert (y - whole).abs().max() <= 1e-5 * whole.abs().max()
    y_hat = whole.round()
    picture = synthesis(codec.g_s, y_hat, synthesis_grid(codec.g_s, y_hat.size(1)))
    expected = codec.g_s(y_hat)[0].clamp(0, 1).mul(255)
    assert (picture - expected).abs().max() <= 0.5 + 1e-2  # rounded to 8 bits
    assert (picture != expected.round()).float().mean() < 1e-4


@pytest.mark.parametrize("name", analysis_names())
def test_another_encoder_s_file_holds_the_same_latents_whatever_the_tiles(
    name: str, make_codec: MakeCodec, large: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = make_codec("mbt2018-mean")
    put_analysis(name, "mbt2018-mean", codec)
    with torch.no_grad():
        for key, parameter in codec.g_a.named_parameters():  # large: branches that do something
            parameter.add_(0.02 * torch.randn_like(parameter) if "branch" in key else 0)
        y = codec.g_a(large.float().div(255).unsqueeze(0))
    monkeypatch.setattr(tiled, "TILE", 128)
    grid = analysis_grid(codec.g_a, 64)
    assert grid.reach is not None
    assert (analysis(codec.g_a, large, grid) - y).abs().max() <= 1e-5 * y.abs().max()
    assert not torch.allclose(analysis(codec.g_a, large, Grid(16, grid.reach - 1)), y, atol=1e-9, rtol=0)


@torch.no_grad()
def test_a_shorter_halo_would_show(make_codec: MakeCodec, large: Tensor, small_tiles: None) -> None:
    codec = make_codec("mbt2018-mean")
    grid = analysis_grid(codec.g_a, 64)
    assert grid == Grid(cell=16, reach=2)  # four 5×5 convolutions of stride 2 reach 30 pixels
    short = analysis(codec.g_a, large, Grid(16, grid.reach - 1))
    assert not torch.allclose(short, codec.g_a(large.float().div(255).unsqueeze(0)), atol=1e-5)


def test_a_file_holds_the_same_latents_whatever_the_tiles(
    make_codec: MakeCodec, large: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = make_codec("mbt2018-mean")
    whole = FileCodec("mbt2018-mean", codec)
    content = whole.encode(large)
    picture = whole.decode(content)
    monkeypatch.setattr(tiled, "TILE", 64)
    assert whole.encode(large) == content
    assert whole.decode(content).equal(picture)


@pytest.mark.parametrize(
    "layer",
    [nn.AdaptiveAvgPool2d(1), nn.Linear(4, 4), nn.Softmax(dim=1), nn.InstanceNorm2d(3)],
    ids=lambda m: type(m).__name__,
)
def test_a_layer_that_may_see_everything_is_not_tiled(layer: nn.Module) -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.layer = nn.Conv2d(3, 4, 4, stride=4), layer

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x)

    assert analysis_grid(Gated(), 64).reach is None


def test_pooling_outside_of_a_layer_is_not_tiled_either() -> None:
    class Pooling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 4, stride=4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return y - y.mean(dim=(2, 3), keepdim=True)

    assert analysis_grid(Pooling(), 64).reach is None


def test_segpic_is_coded_whole(make_codec: MakeCodec) -> None:
    assert not FileCodec("segpic", make_codec("segpic")).tiled
