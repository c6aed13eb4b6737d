"""How much a codec computes, by role."""

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lic_lightning.codecs.quantization import set_quantizer
from lic_lightning.codecs.roles import ROLES, Role, RoleTable

SIDE = 64  # pixels; the work per pixel does not depend on it


@torch.no_grad()
def kmac_per_pixel(codec: nn.Module, table: RoleTable) -> dict[Role, float]:
    """Thousand multiply-accumulates per image pixel by role, in one pass over all positions at once, as in training."""
    parallel = copy.deepcopy(codec).train()
    set_quantizer(parallel, "noise")  # walks over no fronts
    with FlopCounterMode(display=False) as counter:
        parallel(torch.zeros(1, 3, SIDE, SIDE))
    work: dict[Role, float] = dict.fromkeys(ROLES, 0.0)
    for prefix, role in table.items():
        flops = counter.flop_counts.get(f"{type(codec).__name__}.{prefix}", {})
        work[role] += sum(flops.values()) / 2 / SIDE**2 / 1000
    return work
