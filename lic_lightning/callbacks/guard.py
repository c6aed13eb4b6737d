"""The proof, while training, that what is frozen does not move: the deployed decoder above all."""

import logging
from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn

from lic_lightning.codecs.fingerprint import decoder_fingerprint, tensor_digest
from lic_lightning.codecs.roles import named_tensors
from lic_lightning.modules.codec_module import CodecModule

log = logging.getLogger("lic.guard")


class FrozenMovedError(RuntimeError):
    """A tensor that the run had to leave alone is not what it was at the start; the message names it."""


class Guard(pl.Callback):
    """Takes the fingerprint of every frozen tensor at the start, compares at each validation and when a run is judged.

    The truth is what the run started from, whatever a checkpoint says: one that brings another decoder is refused
    before the first step. What the freeze policy trains is exempt, and nothing else of the module.

    Raises:
        FrozenMovedError: names the tensors that changed.
    """

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Fingerprints of the weights as they were loaded, before a checkpoint or a step could touch them."""
        self.digests = self.digests or _digests(module)

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Logs the fingerprint of a decoder that is fixed."""
        if isinstance(module, CodecModule) and module.fixes_decoder:
            fingerprint = decoder_fingerprint(module.codec, module.roles)
            log.info("decoder fingerprint %s", fingerprint)
            for logger in trainer.loggers:
                logger.log_hyperparams({"decoder_fingerprint": fingerprint})

    def on_load_checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """The checkpoint that a run goes on from, in the module by now, may not bring another decoder."""
        self.check(module, f"in the checkpoint {trainer.ckpt_path}")

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Checks before the first step."""
        self.check(module, "before the first step")

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Checks after each validation."""
        self.check(module, f"by step {trainer.global_step}")

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Checks at the end."""
        self.check(module, f"by step {trainer.global_step}")

    def check(self, module: pl.LightningModule, where: str) -> None:
        """Compares what is frozen with what the run started from, bit for bit; `where` is for the message."""
        now = _digests(module)
        moved = [name for name in {**self.digests, **now} if now.get(name) != self.digests.get(name)]
        if moved:
            names = ", ".join(moved[:5]) + (f" and {len(moved) - 5} more" if len(moved) > 5 else "")
            policy = f"under freeze={module.freeze_policy.name} " if isinstance(module, CodecModule) else ""
            raise FrozenMovedError(
                f"{policy}{names} must stay as the run found them, and are others {where}. A decoder that is deployed "
                "could not read these streams; nothing was recorded"
            )


def frozen_tensors(module: pl.LightningModule) -> dict[str, Tensor]:
    """The parameters and buffers of a module that its training leaves alone, by name.

    Of a codec those that its freeze policy does not cover; of the rest (heads, an objective's network) the parameters
    without gradient, and the buffers of modules that hold no other parameters.
    """
    policy: set[str] = set()
    if isinstance(module, CodecModule):
        policy = {f"codec.{name}" for name in module.freeze_policy.frozen(module.codec, module.roles)}
    return {
        name: tensor
        for name, tensor in named_tensors(module)
        if name in policy or (not name.startswith("codec.") and _stands(module, name, tensor))
    }


def _stands(module: nn.Module, name: str, tensor: Tensor) -> bool:
    if isinstance(tensor, nn.Parameter):
        return not tensor.requires_grad
    while name := name.rpartition(".")[0]:
        if parameters := list(module.get_submodule(name).parameters()):
            return not any(parameter.requires_grad for parameter in parameters)
    return False  # a buffer with no parameters around it: a constant, or a count


def _digests(module: pl.LightningModule) -> dict[str, str]:
    return {name: tensor_digest(name, tensor) for name, tensor in frozen_tensors(module).items()}
