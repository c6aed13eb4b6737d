"""The CLIC paper's objective, term by term."""

from __future__ import annotations

import pytest
import torch
from pytorch_msssim import ms_ssim
from skimage import data as skimage_data
from torch import Tensor

from lic_lightning.data.batch import Batch
from lic_lightning.metrics.distances import FeatureDistance
from lic_lightning.objectives import MSE, Perceptual

ST_LPIPS = FeatureDistance("st-lpips")


@pytest.fixture(scope="module")
def batch() -> Batch:
    """One photograph of 192×192."""
    image = torch.from_numpy(skimage_data.coffee()[:192, :192].copy()).permute(2, 0, 1)[None] / 255
    return Batch(image, ["coffee"])


def output(batch: Batch, noise: float = 0.05) -> dict[str, object]:
    """A noisy reconstruction of half a bit per pixel."""
    torch.manual_seed(0)
    x_hat = (batch.image + noise * torch.randn_like(batch.image)).requires_grad_()
    return {"x_hat": x_hat, "likelihoods": {"y": torch.full((192 * 192 // 2,), 0.5)}}


def test_it_is_the_rate_and_the_three_terms_by_their_weights(batch: Batch) -> None:
    decoded = output(batch)
    x_hat: Tensor = decoded["x_hat"]  # type: ignore[assignment]
    parts = Perceptual(128, ST_LPIPS)(decoded, batch)
    assert parts["bpp"].item() == 0.5
    assert parts["mse"].item() == pytest.approx((x_hat - batch.image).square().mean().item())
    assert parts["ms_ssim"].item() == pytest.approx(1 - ms_ssim(x_hat, batch.image, data_range=1).item())
    assert parts["feature_distance"].item() == pytest.approx(ST_LPIPS(batch.image, x_hat).item())
    weighed = parts["mse"] + 0.1 * parts["ms_ssim"] + 0.1 * parts["feature_distance"]
    assert parts["loss"].item() == pytest.approx((128 * weighed + 0.5).item())


def test_with_the_mse_alone_lmbda_over_255_squared_is_that_of_mse(batch: Batch) -> None:
    mse = MSE(128 / 255**2)(output(batch), batch)
    assert Perceptual(128, ST_LPIPS, beta=0, gamma=0)(output(batch), batch)["loss"].item() == pytest.approx(
        mse["loss"].item()
    )


def test_each_term_pulls_at_the_picture(batch: Batch) -> None:
    for weights in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        decoded = output(batch)
        Perceptual(128, ST_LPIPS, *weights)(decoded, batch)["loss"].backward()
        assert decoded["x_hat"].grad.abs().sum() > 0  # type: ignore[attr-defined]


def test_crops_that_are_too_small_for_ms_ssim_are_named() -> None:
    batch = Batch(torch.rand(1, 3, 128, 128), ["x"])
    with pytest.raises(ValueError, match=r"161 px or more, got \(128, 128\): set data.crop"):
        Perceptual(128, ST_LPIPS)({"x_hat": batch.image, "likelihoods": {"y": torch.ones(1)}}, batch)
