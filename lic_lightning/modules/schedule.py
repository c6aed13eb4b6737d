"""An optimizer with its learning-rate schedule, as Lightning takes them: in one place for all modules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Schedule:
    """When the learning rate changes.

    Attributes:
        factory: called with the optimizer; None keeps the learning rate.
        interval: what the scheduler steps once a: a plateau's watches `val/loss`, once an epoch.
    """

    factory: Callable[[torch.optim.Optimizer], Any] | None = None
    interval: Literal["epoch", "step"] = "epoch"

    def of(self, optimizer: torch.optim.Optimizer) -> Any:
        """What `configure_optimizers` returns."""
        if self.factory is None:
            return optimizer
        scheduler = {"scheduler": self.factory(optimizer), "interval": self.interval, "monitor": "val/loss"}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


CONSTANT = Schedule()
