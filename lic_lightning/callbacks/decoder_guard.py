"""The proof, while training, that the deployed decoder does not move."""

from __future__ import annotations

import logging
from typing import Any

import pytorch_lightning as pl

from lic_lightning.codecs.fingerprint import combine, decoder_digests
from lic_lightning.modules.codec_module import CodecModule

log = logging.getLogger("lic.guard")


class DecoderMovedError(RuntimeError):
    """A decoder-side tensor changed although the freeze policy fixes the decoder."""


class DecoderGuard(pl.Callback):
    """Takes the decoder's fingerprint at the start, checks it after every validation and at the end of training.

    The fingerprint is kept in the checkpoint: a resumed run is held to the decoder that it started from.
    Where the policy trains the decoder there is nothing to guard.

    Raises:
        DecoderMovedError: names the tensors that changed.
    """

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Fingerprint of the weights as they were loaded, before a checkpoint or a step could touch them."""
        assert isinstance(module, CodecModule)
        if module.fixes_decoder and not self.digests:
            self.digests = decoder_digests(module.codec, module.roles)

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Logs the fingerprint."""
        if self.digests:
            log.info("decoder fingerprint %s", self.fingerprint)
            for logger in trainer.loggers:
                logger.log_hyperparams({"decoder_fingerprint": self.fingerprint})

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """A resumed checkpoint may not bring another decoder."""
        self.check(module)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Checks after each validation."""
        self.check(module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Checks at the end."""
        self.check(module)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the decoder as it was loaded; empty where nothing is guarded."""
        return combine(self.digests.values()) if self.digests else ""

    def check(self, module: pl.LightningModule) -> None:
        """Compares the decoder with the one that was loaded, bit for bit."""
        if not self.digests:
            return
        assert isinstance(module, CodecModule)
        now = decoder_digests(module.codec, module.roles)
        moved = [name for name, digest in self.digests.items() if now.get(name) != digest]
        if moved or now.keys() != self.digests.keys():
            names = ", ".join(moved[:5]) + (f" and {len(moved) - 5} more" if len(moved) > 5 else "")
            raise DecoderMovedError(
                f"the decoder moved under freeze={module.freeze_policy.name}: {names} changed by step "
                f"{module.global_step}. The deployed decoder could not read these streams; nothing was recorded"
            )

    def state_dict(self) -> dict[str, Any]:
        """The fingerprint per tensor, for the checkpoint."""
        return {"digests": self.digests}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The fingerprint of the run's start."""
        self.digests = state["digests"]
