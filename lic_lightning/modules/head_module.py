"""Training of heads: on features of a frozen codec, or together with the codec's encoder."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from lic_lightning.codecs.latents import cut, features
from lic_lightning.data.batch import Batch
from lic_lightning.data.recognition import Features
from lic_lightning.heads.view import View
from lic_lightning.modules.codec_module import CodecModule
from lic_lightning.modules.schedule import CONSTANT, OptimizerFactory, Schedule

HeadFactory = Callable[..., nn.Module]


class Labelled(Protocol):
    """What a module asks of the data that its head learns from."""

    @property
    def classes(self) -> Sequence[str]:
        """Names, in the order of the labels."""

    @property
    def sizes(self) -> Mapping[str, Any]:
        """What the head is made with."""

    @property
    def counts(self) -> Sequence[int]:
        """Training samples of each class."""


def accuracies(classes: int) -> MetricCollection:
    """`val/top1` and, where there are more classes, `val/top5` over an epoch."""
    found: Any = {f"top{k}": MulticlassAccuracy(classes, top_k=k, average="micro") for k in (1, 5) if k < classes}
    return MetricCollection(found, prefix="val/")


class HeadModule(pl.LightningModule):
    """Trains a head on features that do not depend on it: latents of a frozen codec, or pixels.

    Args:
        data: says what the head must fit, and what its logits stand for.
        head: called with the sizes of `data`, gives a network from features to logits (B,classes).
        optimizer: called with the head's parameters.
        scheduler: of its learning rate.
        label_smoothing: of the cross-entropy in training.
        balance: a class with few training samples counts as much as one with many.
    """

    weight: Tensor | None

    def __init__(
        self,
        data: Labelled,
        head: HeadFactory,
        optimizer: OptimizerFactory,
        scheduler: Schedule = CONSTANT,
        label_smoothing: float = 0.0,
        balance: bool = False,
    ) -> None:
        super().__init__()
        self.head, self.optimizer_factory, self.scheduler = head(**data.sizes), optimizer, scheduler
        self.label_smoothing = label_smoothing
        counts = torch.tensor(data.counts).float() if balance else None
        self.register_buffer(
            "weight", None if counts is None else counts.sum() / len(counts) / counts, persistent=False
        )
        self.accuracy = accuracies(len(data.classes))

    def training_step(self, batch: Features, batch_idx: int) -> Tensor:
        """Cross-entropy of one batch."""
        logits = self.head(batch.values)
        loss = F.cross_entropy(logits, batch.label, self.weight, label_smoothing=self.label_smoothing)
        self.log("train/loss", loss.detach(), on_step=True, on_epoch=True, batch_size=len(batch.name))
        return loss

    def validation_step(self, batch: Features, batch_idx: int) -> None:
        """Cross-entropy and accuracies of the central views as `val/…`."""
        logits = self.head(batch.values)
        loss = F.cross_entropy(logits, batch.label)
        self.log("val/loss", loss, batch_size=len(batch.name), sync_dist=True)
        self.accuracy(logits, batch.label)
        self.log_dict(self.accuracy, on_step=False, on_epoch=True, batch_size=len(batch.name))

    def configure_optimizers(self) -> Any:
        """One optimizer over the head."""
        return self.scheduler.of(self.optimizer_factory(self.head.parameters()), self)


class JointModule(CodecModule):
    """Trains a codec's trainable part and a head together, the loss weighing cross-entropy against R + λD.

    The head sees ŷ and σ̂ of the codec's own forward: in training as its quantizer makes them, so that gradients reach
    the encoder, rounded in validation.

    Args:
        data: says what the head must fit, and what its logits stand for.
        head: called with the sizes of `data`, gives a network from latents to logits.
        weighting: see `objectives.recognition`; its parameters, if it has any, train with the head.
        view: of the latents; training draws from torch's generator, whose state a checkpoint keeps.
        codec_lr: learning rate of the codec; None is the head's.
        codec: as in CodecModule, whose settings follow.
    """

    def __init__(
        self,
        *,
        codec: nn.Module,
        data: Labelled,
        head: HeadFactory,
        weighting: nn.Module,
        view: View,
        codec_lr: float | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(codec, **settings)
        self.head, self.weighting, self.view, self.codec_lr = head(**data.sizes), weighting, view, codec_lr
        self.accuracy = accuracies(len(data.classes))

    def configure_optimizers(self) -> Any:
        """One optimizer over codec, head and weighting."""
        own = {} if self.codec_lr is None else {"lr": self.codec_lr}
        codec = [parameter for parameter in self.codec.parameters() if parameter.requires_grad]
        groups: Any = [{"params": [*self.head.parameters(), *self.weighting.parameters()]}, {"params": codec, **own}]
        return self.scheduler.of(self.optimizer_factory(groups), self)

    def _parts(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        assert batch.label is not None  # every classification set has them
        training = stage == "train"
        latents = cut(self.codec).analyse(batch.image)
        draws = torch.rand(len(batch.name), 3) if training else None
        logits = self.head(self.view(features(latents), draws))
        cross_entropy = F.cross_entropy(logits, batch.label)
        with torch.set_grad_enabled(torch.is_grad_enabled() and bool(self.weighting.needs_rd)):
            output = {"x_hat": cut(self.codec).synthesise(latents), "likelihoods": latents.likelihoods}
            rd = self.objective(output, batch)
        loss = self.weighting(cross_entropy, rd["loss"], self.global_step if training else None)
        parts = {"loss": loss, "cross_entropy": cross_entropy, "bpp": rd["bpp"], "distortion": rd["distortion"]}
        if not training:
            self.accuracy(logits, batch.label)
            self.log_dict(self.accuracy, on_step=False, on_epoch=True, batch_size=len(batch.name))
        return self.logged(parts, stage, len(batch.name))
