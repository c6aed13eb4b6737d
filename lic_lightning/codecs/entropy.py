"""Entropy models: how they round and what they tell the coder; their state, and when it may be made anew.

Under a fixed decoder no state may change after loading: the medians (part of `quantiles`) are added back by
the decoder and the integer CDFs parse its streams, so both belong to the decoder (facts/traps.md, 1 and 2).

A density of another kind brings methods `centre`, `indexes` and `density`, called as the functions of these names call
them, and CompressAI's buffers with its tables; CompressAI's own two densities are served here.
"""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import torch
from compressai.entropy_models import EntropyBottleneck, EntropyModel, GaussianConditional
from compressai.layers import MaskedConv2d
from compressai.models.utils import remap_old_keys, update_registered_buffers
from compressai.ops import quantize_ste
from torch import Tensor, nn

from lic_lightning.codecs.rans import Coder, Reader, Tables, decode, encode

CDF_BUFFERS = ("_quantized_cdf", "_offset", "_cdf_length", "scale_table")


def quantised(model: EntropyModel, values: Tensor, *parameters: Any) -> tuple[Tensor, Tensor | None]:
    """Values as the decoder gets them; while the model trains as its forward stands in for that, with likelihoods.

    Args:
        model: in training or eval mode.
        values: (B,C,H,W).
        parameters: those of the density: scales and means (or None) for a Gaussian, none for a bottleneck.
    """
    if model.training:
        return model(values, *parameters)
    hat = centre(model, *parameters) + symbols(model, values.float(), *parameters)
    # A layout of its own, whatever the analysis left: the decoder's products must be the encoder's, bit for bit
    return torch.empty(hat.shape, dtype=hat.dtype, device=hat.device).copy_(hat), None


def rounded(model: EntropyModel, values: Tensor, *parameters: Any) -> tuple[Tensor, Tensor | None]:
    """As `quantised`, but rounded in training too, with the gradient of the identity; likelihoods are the forward's."""
    hat, likelihoods = quantised(model, values, *parameters)
    if likelihoods is None:
        return hat, None
    around = centre(model, *parameters)
    return quantize_ste(values - around) + around, likelihoods


def kept(model: EntropyModel, values: Tensor, *parameters: Any) -> tuple[Tensor, None]:
    """The values as they are, for a search between the symbols."""
    return values, None


def symbols(model: EntropyModel, values: Tensor, *parameters: Any) -> Tensor:
    """The integers, as floats, that stand for values in the strings."""
    return torch.round(values - centre(model, *parameters))


def write(coder: Coder, stream: str, model: EntropyModel, values: Tensor, *parameters: Any) -> list[bytes]:
    """Strings of values (B,C,H,W) as `quantised` gives them, one for each image: what is given is what is written."""
    rows = indexes(model, values.shape, *parameters)
    return encode(coder, stream, symbols(model, values, *parameters), rows, tables(model, int(rows.max()) + 1))


def read(
    coder: Coder, stream: str, strings: list[bytes], model: EntropyModel, shape: torch.Size, *parameters: Any
) -> Tensor:
    """Values (B,C,H,W) of strings that `write` made with the same parameters."""
    return read_next([coder.reader(stream, string) for string in strings], model, shape, *parameters)


def read_next(readers: Sequence[Reader], model: EntropyModel, shape: torch.Size, *parameters: Any) -> Tensor:
    """Values (B,C,H,W) that come next in the strings of B readers."""
    rows = indexes(model, shape, *parameters)
    return centre(model, *parameters) + decode(readers, rows, tables(model, int(rows.max()) + 1))


def tables(model: EntropyModel, most: int | None = None) -> Tables:
    """The first `most` tables of a model: what occurs is often few of them, and each call to the coder copies all."""
    lengths = model.cdf_length[:most].tolist()
    rows = model.quantized_cdf[:most, : max(lengths)].tolist()
    cdfs = [row[:length] for row, length in zip(rows, lengths, strict=True)]
    return Tables(cdfs, lengths, model.offset[:most].tolist())


def likelihood(model: EntropyModel, values: Tensor, *parameters: Any) -> Tensor:
    """Probability of each of the values, integers around the centre or (in refinement) between them: differentiable."""
    with torch.autocast(values.device.type, enabled=False):
        return model.likelihood_lower_bound(density(model, values, *parameters))


@singledispatch
def centre(model: Any, *parameters: Any) -> Tensor:
    """What symbols count from, to be broadcast over values (B,C,H,W)."""
    return model.centre(*parameters)


@singledispatch
def indexes(model: Any, shape: torch.Size, *parameters: Any) -> Tensor:
    """The row of `tables` that codes each of the values of a shape (B,C,H,W)."""
    return model.indexes(shape, *parameters)


@singledispatch
def density(model: Any, values: Tensor, *parameters: Any) -> Tensor:
    """Probability of each of the values, without a lower bound."""
    return model.density(values, *parameters)


@centre.register
def _(model: EntropyBottleneck) -> Tensor:
    return model.quantiles[:, 0, 1].detach().reshape(1, -1, 1, 1)


@centre.register
def _(model: GaussianConditional, scales: Tensor, means: Tensor | None = None) -> Tensor:
    return scales.new_zeros(()) if means is None else means


@indexes.register
def _(model: EntropyBottleneck, shape: torch.Size) -> Tensor:
    channels = torch.arange(shape[1], device=model.quantiles.device)
    return channels.reshape(1, -1, 1, 1).expand(shape)


@indexes.register
def _(model: GaussianConditional, shape: torch.Size, scales: Tensor, means: Tensor | None = None) -> Tensor:
    # As `build_indexes`, by bisection
    return torch.bucketize(model.lower_bound_scale(scales), model.scale_table[:-1], out_int32=True)


@density.register
def _(model: EntropyBottleneck, values: Tensor) -> Tensor:
    by_channel = values.transpose(0, 1)
    found, _, _ = model._likelihood(by_channel.flatten(1).unsqueeze(1))
    return found.reshape(by_channel.shape).transpose(0, 1).contiguous()


@density.register
def _(model: GaussianConditional, values: Tensor, scales: Tensor, means: Tensor | None = None) -> Tensor:
    return model._likelihood(values, scales, means)


def solve_quantiles(codec: nn.Module) -> None:
    """Sets each bottleneck's quantiles by bisection and rebuilds all CDFs.

    Takes the place of CompressAI's auxiliary loss and its second optimizer. Changes the decoder.
    """
    codec.update(force=True, update_quantiles=True)


def has_cdfs(codec: nn.Module) -> bool:
    """True if the codec's strings can be written and read: no entropy model lacks its CDFs."""
    return all(m._quantized_cdf.numel() > 0 for m in codec.modules() if isinstance(m, EntropyModel))


def exclude_quantiles(codec: nn.Module) -> None:
    """Takes the quantiles away from every optimizer: they are solved, never learnt."""
    for module in codec.modules():
        if isinstance(module, EntropyBottleneck):
            module.quantiles.requires_grad_(False)


def apply_masks(codec: nn.Module) -> None:
    """Zeroes the masked weights of causal convolutions, as their first forward would.

    Done at loading, so that a forward never changes a decoder-side tensor and the fingerprint can hold.
    """
    with torch.no_grad():
        for module in codec.modules():
            if isinstance(module, MaskedConv2d):
                module.weight.mul_(module.mask)


def fit_cdf_buffers(codec: nn.Module, state: dict[str, Tensor], prefix: str = "") -> None:
    """Resizes the CDF buffers of `codec` to those in `state`, whose keys start with `prefix`.

    CDF sizes depend on the learnt densities, so a plain `load_state_dict` fails on them
    (facts/traps.md, 4).
    """
    for name, module in codec.named_modules():
        if isinstance(module, EntropyModel):
            names = [b for b in CDF_BUFFERS if hasattr(module, b) and f"{prefix}{name}.{b}" in state]
            update_registered_buffers(module, prefix + name, names, state, policy="resize")


def drop_cdfs(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without CDF buffers; they are built anew, bit for bit, when it is loaded."""
    return {name: t for name, t in state.items() if name.rpartition(".")[2] not in CDF_BUFFERS}


def rename_bottleneck_keys(codec: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict whose bottlenecks have the names of today's CompressAI (the zoo's files have older ones)."""
    for name, module in codec.named_modules():
        if isinstance(module, EntropyBottleneck):
            state = remap_old_keys(name, state)
    return state
