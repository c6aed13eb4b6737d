"""Entropy models in float32 whatever the precision of the networks around them."""

from __future__ import annotations

from typing import Any

import torch
from compressai.entropy_models import EntropyBottleneck, GaussianConditional, GaussianMixtureConditional
from torch import Tensor, nn


def keep_entropy_in_float32(codec: nn.Module) -> None:
    """Makes each of CompressAI's entropy models leave autocast for the time of its forward, its inputs in float32.

    Likelihoods are differences of nearby values: in bf16 most of their digits cancel. The modules change their class,
    not their state; a wrapped `forward` or hooks would be lost in a pickle, or stop `torch.compile`.
    """
    for module in codec.modules():
        if type(module) in _IN_FLOAT32:
            module.__class__ = _IN_FLOAT32[type(module)]


class _InFloat32:
    def forward(self, *args: Any, **settings: Any) -> Any:
        with torch.autocast(args[0].device.type, enabled=False):
            inputs = [_float(value) for value in args]
            return super().forward(*inputs, **{name: _float(value) for name, value in settings.items()})  # type: ignore[misc]


class _Bottleneck(_InFloat32, EntropyBottleneck):
    pass


class _Gaussian(_InFloat32, GaussianConditional):
    pass


class _GaussianMixture(_InFloat32, GaussianMixtureConditional):
    pass


_IN_FLOAT32: dict[type[nn.Module], type[nn.Module]] = {
    EntropyBottleneck: _Bottleneck,
    GaussianConditional: _Gaussian,
    GaussianMixtureConditional: _GaussianMixture,
}


def _float(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value
