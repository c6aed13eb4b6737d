"""What an entropy model tells the coder; a density of another kind brings its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from compressai._CXX import pmf_to_quantized_cdf
from compressai.entropy_models import EntropyModel
from torch import Size, Tensor, nn

from lic_lightning.codecs import entropy, rans
from lic_lightning.codecs.rans import RANS

Make = Callable[..., nn.Module]


class Uniform(EntropyModel):
    """Whole numbers from −lower to upper, each as likely: 4×4 tables for two parameters at each position."""

    def __init__(self) -> None:
        super().__init__()
        pairs = [(lower, upper) for lower in range(4) for upper in range(4)]
        rows = [pmf_to_quantized_cdf([1 / (a + b + 2)] * (a + b + 2), 16) for a, b in pairs]  # one outside the table
        self._quantized_cdf = torch.tensor([row + [0] * (9 - len(row)) for row in rows], dtype=torch.int32)
        self._cdf_length = torch.tensor([len(row) for row in rows], dtype=torch.int32)
        self._offset = torch.tensor([-lower for lower, _ in pairs], dtype=torch.int32)

    def centre(self, lower: Tensor, upper: Tensor) -> Tensor:
        return torch.full_like(lower, 0.25)

    def indexes(self, shape: Size, lower: Tensor, upper: Tensor) -> Tensor:
        return (4 * lower + upper).int()

    def density(self, values: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        return 1 / (lower + upper + 1)


def test_a_density_with_two_parameters_a_value_is_written_and_read() -> None:
    torch.manual_seed(0)
    model, shape = Uniform().eval(), (2, 3, 8, 5)
    lower, upper = torch.randint(0, 4, shape).float(), torch.randint(0, 4, shape).float()
    y = torch.rand(shape) * (lower + upper) - lower
    y_hat, likelihoods = entropy.quantised(model, y, lower, upper)
    assert likelihoods is None
    strings = entropy.write(RANS, "y", model, y_hat, lower, upper)
    assert entropy.read(RANS, "y", strings, model, Size(shape), lower, upper).equal(y_hat)
    shares = lower + upper + 2  # one of them for what lies outside
    assert 8 * sum(map(len, strings)) == pytest.approx(
        shares.log2().sum().item(), abs=2 * 64
    )  # a state of 64 bits ends each
    assert entropy.likelihood(model, y_hat, lower, upper).equal(1 / (lower + upper + 1))


def test_many_symbols_pass_to_the_coder_in_parts_of_the_same_string(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, shape = Uniform().eval(), (2, 3, 8, 5)
    lower, upper = torch.randint(0, 4, shape).float(), torch.randint(0, 4, shape).float()
    y_hat, _ = entropy.quantised(model, torch.rand(shape) * (lower + upper) - lower, lower, upper)
    at_once = entropy.write(RANS, "y", model, y_hat, lower, upper)
    monkeypatch.setattr(rans, "PART", 7)
    assert entropy.write(RANS, "y", model, y_hat, lower, upper) == at_once
    assert entropy.read(RANS, "y", at_once, model, Size(shape), lower, upper).equal(y_hat)


@torch.no_grad()
def test_values_far_outside_their_tables_are_written_and_read(spread_out: Make) -> None:
    codec = spread_out("mbt2018-mean")
    scales, means = torch.full((1, 12, 4, 4), 0.2), torch.randn(1, 12, 4, 4)
    y_hat, _ = entropy.quantised(codec.gaussian_conditional, 3000 * torch.randn(1, 12, 4, 4), scales, means)
    strings = entropy.write(RANS, "y", codec.gaussian_conditional, y_hat, scales, means)
    read = entropy.read(RANS, "y", strings, codec.gaussian_conditional, scales.shape, scales, means)
    torch.testing.assert_close(read, y_hat, rtol=0, atol=1e-3)
    assert y_hat.abs().max() > 5000


@torch.no_grad()
def test_an_autocast_around_it_changes_no_likelihood(spread_out: Make) -> None:
    codec = spread_out("mbt2018-mean")
    z_hat = torch.randn(1, 8, 2, 2).round()
    expected = entropy.likelihood(codec.entropy_bottleneck, z_hat)
    with torch.autocast("cpu", torch.bfloat16):
        assert entropy.likelihood(codec.entropy_bottleneck, z_hat).equal(expected)


def test_rounding_keeps_the_gradient_of_the_identity(spread_out: Make) -> None:
    codec = spread_out("mbt2018-mean").train()
    y = (3 * torch.randn(1, 12, 4, 4)).requires_grad_()
    scales, means = torch.ones(1, 12, 4, 4), torch.randn(1, 12, 4, 4)
    y_hat, likelihoods = entropy.rounded(codec.gaussian_conditional, y, scales, means)
    y_hat.sum().backward()
    assert y.grad is not None
    assert y.grad.eq(1).all()
    torch.testing.assert_close(y_hat, torch.round(y - means) + means)
    assert likelihoods is not None
    assert likelihoods.shape == y.shape
