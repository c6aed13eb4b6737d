"""Region masks: what training with them means, and what a bad one is told."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lic_lightning.codecs.freeze import FreezePolicy
from lic_lightning.codecs.layers.regions import MaskError, expand, grid_regions, mask_regions
from lic_lightning.codecs.weights import load_codec
from lic_lightning.data.batch import Batch
from lic_lightning.modules.codec_module import CodecModule
from lic_lightning.objectives import MSE
from lic_lightning.objectives.rate import bits_per_pixel


@pytest.fixture
def codec() -> nn.Module:
    torch.manual_seed(0)
    return load_codec("segpic", lmbda=0.0130, N=16, M=32)


def halves(side: int = 64) -> Tensor:
    mask = torch.zeros(1, side, side, dtype=torch.long)
    mask[:, :, side // 2 :] = 1
    return mask


def test_prototypes_are_means_over_their_regions() -> None:
    x = torch.rand(1, 3, 16, 16)
    prototypes = mask_regions(halves())[0].mean(x)
    torch.testing.assert_close(prototypes[0, :, 0, 0], x[0, :, :, :8].mean((1, 2)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(prototypes[0, :, 1, 0], x[0, :, :, 8:].mean((1, 2)), rtol=1e-4, atol=1e-4)


def test_prototypes_are_laid_out_over_their_regions() -> None:
    x = expand(torch.tensor([[[[5.0], [7.0]]]]), mask_regions(halves())[0].ids)
    assert x[0, 0, :, :8].eq(5).all()
    assert x[0, 0, :, 8:].eq(7).all()


def test_the_grid_has_sixteen_cells_over_the_whole_image() -> None:
    grid = grid_regions(1, 16, 48, torch.device("cpu"))
    x = torch.rand(1, 2, 16, 48)
    laid_out = expand(grid.mean(x), grid.ids)
    torch.testing.assert_close(laid_out[0, :, 4:8, 12:24].amax((1, 2)), x[0, :, 4:8, 12:24].mean((1, 2)))
    assert grid.ids.unique().tolist() == list(range(16))


@pytest.mark.parametrize("regions", [1, 3, 200])
def test_any_number_of_regions_trains(codec: nn.Module, regions: int) -> None:
    mask = (torch.arange(64 * 64) % regions).reshape(1, 64, 64)
    output = codec.train()(torch.rand(1, 3, 64, 64), mask)
    (output["x_hat"].sum() + bits_per_pixel(output["likelihoods"], output["x_hat"])).backward()
    assert codec.rat_enc.kernels[0].weight.grad.any()
    assert codec.g_ab[0].weight.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_integer_types_mean_the_same(codec: nn.Module, dtype: torch.dtype) -> None:
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(codec(x, halves().to(dtype))["x_hat"], codec(x, halves())["x_hat"])


def test_a_region_that_vanishes_has_a_prototype_of_zeros_that_is_still_coded(codec: nn.Module) -> None:
    mask = halves() * 2
    mask[0, 1, 1] = 1  # one pixel, which no downsampling keeps
    quarter, sixteenth = mask_regions(mask)
    assert quarter.counts.tolist() == sixteenth.counts.tolist() == [3]
    assert not quarter.mean(torch.rand(1, 4, 16, 16) + 1)[0, :, 1].any()
    with torch.no_grad():
        likelihoods = codec(torch.rand(1, 3, 64, 64), mask)["likelihoods"]
    assert (likelihoods["p1"][0, :, 1] < 1).any()


def test_the_last_region_vanishing_costs_nothing() -> None:
    mask = halves()
    mask[0, 1, 1] = 2
    assert mask_regions(mask)[0].counts.tolist() == [2]


def test_the_rate_of_an_image_is_its_own(codec: nn.Module) -> None:
    """Beside an image of many regions one of two codes two prototypes."""
    x = torch.rand(1, 3, 64, 64).expand(2, -1, -1, -1)
    many = (torch.arange(64 * 64) % 50).reshape(1, 64, 64)
    with torch.no_grad():
        both = codec(x, torch.cat([halves(), many]))["likelihoods"]
        alone = codec(x[:1], halves())["likelihoods"]
    for name in ("p1", "p2"):
        torch.testing.assert_close(both[name][0].log2().sum(), alone[name].log2().sum())


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(1, 32, 64, dtype=torch.long), r"measures \(1, 32, 64\), its images \(1, 64, 64\)"),
        (torch.zeros(2, 64, 64, dtype=torch.long), r"measures \(2, 64, 64\)"),
        (torch.zeros(1, 1, 64, 64, dtype=torch.long), r"measures \(1, 1, 64, 64\)"),
        (torch.zeros(1, 64, 64), r"is torch.float32; region ids are integers"),
        (torch.zeros(1, 64, 64, dtype=torch.bool), r"is torch.bool"),
        (torch.full((1, 64, 64), -1), r"a region id of -1; ids count from 0"),
        (torch.full((1, 64, 64), 8405120), r"a region id of 8405120 but 4096 pixels: renumber"),
        (torch.zeros(1, 0, 0, dtype=torch.long), r"measures \(1, 0, 0\)"),
    ],
)
def test_a_bad_mask_is_told_why(codec: nn.Module, mask: Tensor, message: str) -> None:
    with pytest.raises(MaskError, match=message):
        codec(torch.zeros(1, 3, 64, 64), mask)


def test_an_empty_batch_has_no_regions(codec: nn.Module) -> None:
    with pytest.raises(MaskError, match="no pixels, so no regions"):
        codec(torch.zeros(0, 3, 64, 64), torch.zeros(0, 64, 64, dtype=torch.long))


def test_training_takes_the_masks_of_the_batch_and_validation_the_grid(
    codec: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = FreezePolicy("encoder_only", ["encoder"])
    module = CodecModule(codec, "segpic", policy, MSE(0.0130), torch.optim.Adam)
    monkeypatch.setattr(module, "log_dict", lambda *args, **settings: None)
    seen = []
    codec.register_forward_pre_hook(lambda _, args, given: seen.append(given.get("mask")), with_kwargs=True)
    batch = Batch(image=torch.rand(1, 3, 64, 64), name=["halves"], mask=halves())
    module.training_step(batch, 0)
    module.validation_step(batch, 0)
    assert seen[0] is batch.mask
    assert seen[1] is None
