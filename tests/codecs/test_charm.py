"""ChARM's steps against numbers worked out by hand: what a slice decodes to, and what later slices see of it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from lic_lightning.codecs.layers.charm import ChARM

M = 20  # ten slices of two channels


def constant_charm(mean: float, scale: float, residual: float) -> ChARM:
    """Whose nets say the same at every position of every slice."""
    charm = ChARM(M)
    for nets, value in ((charm.mean, mean), (charm.scale, scale), (charm.residual, residual)):
        for net in nets:
            nn.init.zeros_(net[-1].weight)
            nn.init.constant_(net[-1].bias, value)
    return charm.eval()


def decoded(charm: ChARM, y: Tensor) -> Tensor:
    """ŷ of y (M,): one picture of one position."""
    hyper = torch.zeros(1, M, 1, 1)
    with torch.no_grad():
        return charm(y.reshape(1, M, 1, 1), hyper, hyper).y_hat.flatten()


def test_a_value_is_rounded_around_its_mean_and_moved_by_half_the_tangent() -> None:
    charm = constant_charm(mean=0.3, scale=2.0, residual=math.atanh(0.5))
    y = torch.tensor([1.2, -0.75, 0.3, 7.9] * 5)
    # minus .3: .9 -1.05 0 7.6; rounded: 1 -1 0 8; plus .3: 1.3 -.7 .3 8.3; plus .5 · .5
    torch.testing.assert_close(decoded(charm, y), torch.tensor([1.55, -0.45, 0.55, 8.55] * 5))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_residual_prediction_reaches_half_a_step_and_no_more(sign: int) -> None:
    y = torch.arange(M).float()
    torch.testing.assert_close(decoded(constant_charm(0.0, 2.0, sign * 50.0), y) - y, torch.full((M,), sign * 0.5))


def test_what_is_written_is_the_value_before_its_residual() -> None:
    charm = constant_charm(mean=0.3, scale=2.0, residual=50.0)
    hyper = torch.zeros(1, M, 1, 1)
    coded = charm(torch.full((1, M, 1, 1), 0.4), hyper, hyper)
    for values, expected in ((coded.written, 0.3), (coded.means, 0.3), (coded.y_hat, 0.8), (coded.scales, 2.0)):
        torch.testing.assert_close(values, torch.full_like(values, expected))


def test_later_slices_see_the_first_five_with_their_residual_and_the_residual_net_without() -> None:
    torch.manual_seed(0)
    charm = ChARM(M).eval()
    seen: dict[str, Tensor] = {}
    for name in ("mean.7", "scale.7", "residual.7"):
        charm.get_submodule(name).register_forward_pre_hook(lambda _, given, name=name: seen.update({name: given[0]}))
    y, means, scales = (torch.randn(1, M, 3, 2) * 4 for _ in range(3))
    with torch.no_grad():
        y_hat = charm(y, means, scales).y_hat
        mean = charm.mean[7](seen["mean.7"])
    rounded = torch.round(y[:, 14:16] - mean) + mean
    assert seen["mean.7"].equal(torch.cat([means, y_hat[:, :10]], 1))
    assert seen["scale.7"].equal(torch.cat([scales, y_hat[:, :10]], 1))
    torch.testing.assert_close(seen["residual.7"], torch.cat([means, y_hat[:, :10], rounded], 1))
