"""Numbers of every codec that must not drift: what fixed weights make of a picture, and strings of fixed symbols.

LIC_GOLDEN=1 makes `golden.json` anew, for a change that is meant to change numbers. Nothing here depends on torch's
random numbers or on the last bits of a processor: weights come from NumPy's frozen generator, numbers are compared to a
thousandth, and strings are of integers by tables of integers.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from compressai.entropy_models import EntropyBottleneck, EntropyModel, GaussianConditional
from skimage import data
from torch import Tensor, nn

from lic_lightning.codecs import entropy, registry
from lic_lightning.codecs.latents import Latents, cut

SIZES: dict[str, dict[str, int]] = {
    "cheng2020-anchor": {"N": 12},
    "cheng2020-attn": {"N": 12},
    "elic2022-official": {"N": 8, "M": 144},
    "segpic": {"N": 16, "M": 32},
}
STORED = Path(__file__).with_name("golden.json")
SYMBOLS = 8  # that the tables of integers reach to either side


def golden(key: str, numbers: Any) -> Any:
    """What is stored under a key; first `numbers`, where it shall be written."""
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    if os.environ.get("LIC_GOLDEN"):
        STORED.write_text(json.dumps({**stored, key: numbers}, indent=1, sort_keys=True) + "\n")
        return numbers
    return stored[key]


def codec_of_fixed_weights(name: str) -> nn.Module:
    """Small, every tensor from a generator of its own name, ŷ of many values."""
    codec = registry.build(name, 1, **SIZES.get(name, {"N": 8, "M": 12}))
    with torch.no_grad():
        for key, parameter in codec.named_parameters():
            noise = torch.from_numpy(np.random.RandomState(zlib.crc32(key.encode())).uniform(-1, 1, parameter.shape))
            if key.endswith((".beta", ".gamma")):
                parameter.mul_(1 + 0.2 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.1 * noise + float(key.endswith("weight")))
            elif "bottleneck" not in key:
                parameter.copy_(noise * (3 * len(parameter) / parameter.numel()) ** 0.5)
            elif not key.endswith("quantiles"):
                parameter.copy_(parameter.mean() + 0.2 * noise if "biases" not in key else 0.4 * noise)
    entropy.apply_masks(codec)
    entropy.solve_quantiles(codec)
    return codec.eval()


def picture() -> Tensor:
    """(1,3,128,192) in [0, 1]."""
    return torch.from_numpy(data.coffee()[120:248, 200:392].copy()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("name", registry.names())
@torch.no_grad()
def test_a_picture_through_fixed_weights_gives_the_stored_numbers(name: str) -> None:
    codec = codec_of_fixed_weights(name)
    output = codec(picture())
    parts = {f"bits of {key}": -values.log2().sum().reshape(1) for key, values in output["likelihoods"].items()}
    parts["image"] = nn.functional.adaptive_avg_pool2d(output["x_hat"], (2, 3)).flatten()
    parts["spread of the image"] = output["x_hat"].std((0, 2, 3))
    numbers = {key: [float(f"{value:.6g}") for value in values.tolist()] for key, values in parts.items()}
    stored = golden(f"{name}: numbers", numbers)
    assert numbers.keys() == stored.keys()
    for key, values in stored.items():
        assert numbers[key] == pytest.approx(values, rel=1e-3, abs=1e-4), key


def use_integer_tables(model: EntropyModel) -> None:
    """A table for each channel or scale: over -8 to 8, steeper from row to row, and a tail for what lies outside."""
    rows = model.channels if isinstance(model, EntropyBottleneck) else len(model.scale_table)
    steps = torch.arange(-SYMBOLS, SYMBOLS + 1)
    shares = torch.stack([1 + (SYMBOLS + 1 - steps.abs()) * (row % 16) for row in range(rows)])
    shares = torch.cat([shares, torch.ones(rows, 1, dtype=torch.long)], 1)
    cdfs = shares.cumsum(1) * 2**16 // shares.sum(1, keepdim=True)
    model._quantized_cdf = torch.cat([torch.zeros(rows, 1, dtype=torch.long), cdfs], 1).int()
    model._cdf_length = torch.full((rows,), cdfs.size(1) + 1).int()
    model._offset = torch.full((rows,), -SYMBOLS).int()


def with_integers(latents: Latents, table: Tensor) -> Latents:
    """Of the same shapes: symbols of which some lie outside the tables, means of zero, scales of the scale table."""
    random = np.random.RandomState(0)

    def integers(values: Any) -> Any:
        if not isinstance(values, Tensor):
            return values
        return torch.from_numpy(random.randint(-SYMBOLS - 2, SYMBOLS + 3, values.shape)).float()

    scales = latents.scales
    if scales is not None:
        scales = table[torch.from_numpy(random.randint(0, len(table), scales.shape))]
    means = None if latents.means is None else torch.zeros_like(latents.means)
    side = {name: integers(values) for name, values in latents.side.items()}
    return replace(latents, y_hat=integers(latents.y_hat), scales=scales, means=means, side=side)


@pytest.mark.parametrize("name", registry.names())
@torch.no_grad()
def test_strings_of_given_symbols_are_the_stored_ones(name: str) -> None:
    """Order of the symbols, of the tables and of the streams, and the coder: what files from before are read by."""
    codec = codec_of_fixed_weights(name)
    table = torch.empty(0)
    latents = cut(codec).analyse(picture())
    for model in codec.modules():
        if isinstance(model, EntropyModel):
            use_integer_tables(model)
        if isinstance(model, EntropyBottleneck):
            model.quantiles.zero_()
        elif isinstance(model, GaussianConditional):
            table = model.scale_table
    strings = cut(codec).write(with_integers(latents, table))["strings"]
    digests = [hashlib.md5(b"".join(stream)).hexdigest() for stream in strings]
    assert digests == golden(f"{name}: strings", digests)
