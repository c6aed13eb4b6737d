"""An optimizer with its learning-rate schedule, as Lightning takes them: in one place for all modules."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import nn

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Schedule:
    """When the learning rate changes.

    Attributes:
        factory: called with the optimizer; None keeps the learning rate.
        interval: what the scheduler steps once a: a plateau's watches `val/loss`, once an epoch.
        whole: the factory is told, as `total_steps`, how many steps the training has.
    """

    factory: Callable[..., Any] | None = None
    interval: Literal["epoch", "step"] = "epoch"
    whole: bool = False

    def of(self, optimizer: torch.optim.Optimizer, module: pl.LightningModule) -> Any:
        """What `configure_optimizers` of `module` returns."""
        if self.factory is None:
            return optimizer
        settings = {"total_steps": int(module.trainer.estimated_stepping_batches)} if self.whole else {}
        scheduler = {"scheduler": self.factory(optimizer, **settings), "interval": self.interval, "monitor": "val/loss"}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


CONSTANT = Schedule()
