"""Training of a codec under a freeze policy: one optimizer, Lightning's automatic optimization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lic_lightning.codecs import entropy
from lic_lightning.codecs.freeze import FreezeError, FreezePolicy, trains_bottleneck
from lic_lightning.codecs.quantization import Quantizer, set_quantizer
from lic_lightning.codecs.registry import spec
from lic_lightning.data.batch import Batch
from lic_lightning.modules.schedule import CONSTANT, OptimizerFactory, Schedule


class Objective(Protocol):
    """A differentiable scalar of (codec output, batch), under "loss", with its named parts."""

    def __call__(self, output: dict[str, Any], batch: Batch) -> dict[str, Tensor]: ...


class CodecModule(pl.LightningModule):
    """Trains the part of `codec` that `freeze` leaves trainable.

    Args:
        codec: network with CompressAI's contract.
        name: that it is registered under, for its roles and the conditions that it takes.
        freeze: applied here, before the optimizer exists, and held through every `.train()`.
        objective: the loss. A network inside it is frozen, and stays in eval mode.
        optimizer: called with the trainable parameters.
        scheduler: of its learning rate.
        quantizer: what stands in for rounding in training, see `set_quantizer`.

    Quantiles are solved before each validation where the bottleneck trains, so there is no second optimizer.
    Under a fixed decoder nothing of the entropy models is ever updated. Conditions (region masks) are given in training
    alone: validation measures what is deployed, and chooses the weights by that.
    """

    def __init__(
        self,
        codec: nn.Module,
        name: str,
        freeze: FreezePolicy,
        objective: Objective,
        optimizer: OptimizerFactory,
        scheduler: Schedule = CONSTANT,
        quantizer: Quantizer = "mixed",
    ) -> None:
        super().__init__()
        self.codec = codec
        self.roles = dict(spec(name).roles)
        self.freeze_policy = freeze
        self.objective = objective
        self.optimizer_factory = optimizer
        self.scheduler = scheduler
        self.conditions = spec(name).conditions
        if isinstance(objective, nn.Module):
            objective.requires_grad_(False)
        freeze.apply(codec, self.roles)
        set_quantizer(codec, quantizer)
        self.train()  # codecs are loaded in eval mode, and Lightning trains in the mode that it finds

    @property
    def fixes_decoder(self) -> bool:
        """True if the decoder must not move in this run."""
        return self.freeze_policy.fixes_decoder(self.codec, self.roles)

    def train(self, mode: bool = True) -> CodecModule:
        """Switches the mode, frozen modules staying in eval."""
        super().train(mode)
        self.freeze_policy.hold(self.codec)
        if isinstance(self.objective, nn.Module):
            self.objective.eval()
        return self

    def forward(self, image: Tensor) -> dict[str, Any]:
        """The codec's output for images (B,3,H,W) in [0, 1]."""
        return self.codec(image)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The objective of one batch; its parts are logged as `train/…`."""
        parts = self._parts(batch, "train")
        if not torch.isfinite(parts["loss"]):
            raise FloatingPointError(
                f"the training loss became {parts['loss'].item()} at step {self.global_step} "
                f"({', '.join(batch.name[:4])} …): lower optimizer.lr or lmbda, or look at these images"
            )
        return parts["loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Logs the objective with rounding as `val/…`."""
        self._parts(batch, "val")

    def on_validation_epoch_start(self) -> None:
        """Solves the quantiles where the bottleneck trains: validation and coding must see one decoder."""
        if trains_bottleneck(self.codec):
            entropy.solve_quantiles(self.codec)

    def configure_optimizers(self) -> Any:
        """One optimizer over the trainable parameters."""
        trainable = [parameter for parameter in self.codec.parameters() if parameter.requires_grad]
        if not trainable:
            raise FreezeError(
                f"freeze={self.freeze_policy.name} trains nothing: choose another policy, or `lic evaluate`"
            )
        return self.scheduler.of(self.optimizer_factory(trainable), self)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As torch's, after making room for the CDFs of `state_dict`, whose sizes depend on the densities."""
        entropy.fit_cdf_buffers(self.codec, dict(state_dict), prefix="codec.")
        return super().load_state_dict(state_dict, strict, assign)

    def _parts(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        given = {name: getattr(batch, name) for name in self.conditions} if stage == "train" else {}
        output = self.codec(batch.image, **given)
        output = {**output, "x_hat": batch.seen(output["x_hat"])}
        return self.logged(self.objective(output, batch), stage, batch.image.size(0))

    def logged(self, parts: dict[str, Tensor], stage: str, images: int) -> dict[str, Tensor]:
        """The same parts of a loss, logged as `train/…` or `val/…`."""
        self.log_dict(
            {f"{stage}/{name}": value.detach() for name, value in parts.items()},
            on_step=stage == "train",
            on_epoch=True,
            batch_size=images,
            sync_dist=stage == "val",
        )
        return parts
