"""What a person reads while training: one line per validation, and how far the run is, for `lic status`."""

import logging
import math
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from lic_lightning.runs.progress import Progress

log = logging.getLogger("lic.train")


class ValidationLine(pl.Callback):
    """Logs one line per validation: epoch, step, what was validated, learning rate, steps per second.

    Args:
        folder: where the progress is kept (`progress.Progress`).
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.val_loss = math.inf

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Starts the clock."""
        self._start = self._last = (time.perf_counter(), trainer.global_step)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Writes the line."""
        if trainer.sanity_checking or not trainer.is_global_zero or not trainer.optimizers:
            return
        now, (before, step) = time.perf_counter(), self._last
        self._last = (now, trainer.global_step)
        metrics = trainer.callback_metrics.items()
        values = {name.removeprefix("val/"): float(value) for name, value in metrics if name.startswith("val/")}
        log.info(
            "epoch %d, step %d: val %s, lr %.2g, %.2f steps/s",
            trainer.current_epoch,
            trainer.global_step,
            ", ".join(f"{name} {value:.5g}" for name, value in values.items()),
            trainer.optimizers[0].param_groups[0]["lr"],
            (trainer.global_step - step) / max(now - before, 1e-9),
        )
        self.val_loss = min(self.val_loss, values["loss"])
        self._progress(trainer, now).write(self.folder)

    def _progress(self, trainer: pl.Trainer, now: float) -> Progress:
        start, first = self._start
        of = trainer.estimated_stepping_batches
        return Progress(
            step=trainer.global_step,
            of=int(of) if math.isfinite(of) else None,
            seconds_per_step=(now - start) / max(trainer.global_step - first, 1),
            val_loss=self.val_loss,
        )

    def state_dict(self) -> dict[str, Any]:
        """The lowest validation loss so far, for the checkpoint."""
        return {"val_loss": self.val_loss}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The lowest validation loss before the run was interrupted."""
        self.val_loss = state["val_loss"]
