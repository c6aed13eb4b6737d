"""What a person reads while training: a progress bar, and one line per validation."""

from __future__ import annotations

import logging
import time

import pytorch_lightning as pl

log = logging.getLogger("lic.train")


class ValidationLine(pl.Callback):
    """Logs one line per validation: epoch, step, loss, rate, distortion, learning rate, steps per second."""

    def __init__(self) -> None:
        self._last = (time.perf_counter(), 0)

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Starts the clock."""
        self._last = (time.perf_counter(), trainer.global_step)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Writes the line."""
        if trainer.sanity_checking or not trainer.is_global_zero or not trainer.optimizers:
            return
        now, (before, step) = time.perf_counter(), self._last
        self._last = (now, trainer.global_step)
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        log.info(
            "epoch %d, step %d: val loss %.4f, %.4f bpp, distortion %.6f, lr %.2g, %.2f steps/s",
            trainer.current_epoch,
            trainer.global_step,
            values["val/loss"],
            values["val/bpp"],
            values["val/distortion"],
            trainer.optimizers[0].param_groups[0]["lr"],
            (trainer.global_step - step) / max(now - before, 1e-9),
        )
