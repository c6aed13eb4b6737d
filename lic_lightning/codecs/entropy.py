"""Entropy-model state: quantiles, CDFs, and when each may be made anew.

Under a fixed decoder nothing here may run after loading: the medians (part of `quantiles`) are added back by
the decoder and the integer CDFs parse its streams, so both belong to the decoder (facts/traps.md, 1 and 2).
"""

from __future__ import annotations

import torch
from compressai.entropy_models import EntropyBottleneck, EntropyModel
from compressai.layers import MaskedConv2d
from compressai.models.utils import remap_old_keys, update_registered_buffers
from torch import Tensor, nn

CDF_BUFFERS = ("_quantized_cdf", "_offset", "_cdf_length", "scale_table")


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
