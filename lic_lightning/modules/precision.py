"""Entropy models in float32 whatever the precision of the networks around them."""

from __future__ import annotations

from typing import Any

import torch
from compressai.entropy_models import EntropyModel
from torch import Tensor, nn


def keep_entropy_in_float32(codec: nn.Module) -> None:
    """Makes each entropy model leave autocast for the time of its forward, its inputs cast to float32.

    Likelihoods are differences of nearby values: in bf16 most of their digits cancel.
    """
    for module in codec.modules():
        if isinstance(module, EntropyModel):
            contexts: list[torch.autocast] = []
            module.register_forward_pre_hook(_Enter(contexts), with_kwargs=True)
            module.register_forward_hook(_Leave(contexts), always_call=True)


class _Enter:
    def __init__(self, contexts: list[torch.autocast]) -> None:
        self.contexts = contexts

    def __call__(self, module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        context = torch.autocast(args[0].device.type, enabled=False)
        context.__enter__()
        self.contexts.append(context)
        return tuple(map(_float, args)), {name: _float(value) for name, value in kwargs.items()}


class _Leave:
    def __init__(self, contexts: list[torch.autocast]) -> None:
        self.contexts = contexts

    def __call__(self, module: nn.Module, args: tuple, output: Any) -> None:
        self.contexts.pop().__exit__(None, None, None)


def _float(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value
