"""The exact selector keeps the smallest R + λD of what the reference decodes."""

from __future__ import annotations

import pytest
from torch import Tensor

from lic_lightning.bitstream import FileCodec
from lic_lightning.selection.pick import Best, rd_cost

Encoders = dict[str, FileCodec]


def test_the_cost_is_bits_per_pixel_and_lambda_times_the_error_of_8_bit_values(photograph: Tensor) -> None:
    darker = photograph.clamp(min=2) - 2
    error = (photograph.double() - darker.double()).square().mean().item()
    pixels = photograph[0].numel()
    assert 0 < error <= 4
    assert rd_cost(bytes(pixels // 4), photograph, darker, 0.5) == pytest.approx(2 + 0.5 * error)


@pytest.mark.parametrize("lmbda", [1e-7, 1e-3, 1e3])
def test_no_encoder_would_have_been_cheaper(encoders: Encoders, photograph: Tensor, lmbda: float) -> None:
    name, content = Best(encoders, lmbda)(photograph)
    assert content == encoders[name].encode(photograph)
    decode = encoders["reference"].decode
    costs = {
        other: rd_cost(file := encoder.encode(photograph), photograph, decode(file), lmbda)
        for other, encoder in encoders.items()
    }
    assert costs[name] == min(costs.values())
    assert len(set(costs.values())) == len(encoders)


def test_lambda_decides_between_rate_and_distortion(encoders: Encoders, photograph: Tensor) -> None:
    sizes = {name: len(encoder.encode(photograph)) for name, encoder in encoders.items()}
    assert Best(encoders, 0)(photograph)[0] == min(sizes, key=lambda name: sizes[name])
    decode = encoders["reference"].decode
    errors = {
        name: rd_cost(b"", photograph, decode(encoder.encode(photograph)), 1.0) for name, encoder in encoders.items()
    }
    assert Best(encoders, 1e9)(photograph)[0] == min(errors, key=lambda name: errors[name])


def test_a_tie_goes_to_the_reference(encoders: Encoders, photograph: Tensor) -> None:
    same = {"a": encoders["reference"], "reference": encoders["reference"], "z": encoders["reference"]}
    assert Best(same, 0.013)(photograph)[0] == "reference"
