"""Checkpoints from which a run goes on with the bits of one that was never interrupted."""

import random
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint


class Checkpoints(ModelCheckpoint):
    """The best weights by `monitor`, and after every epoch the last ones; with both the state of every generator.

    They are written when nothing of an epoch is left to do: as the next one starts, or as training ends. Lightning's
    own are written before a plateau scheduler has seen the epoch's loss, which a resumed run then never shows it, and
    the last ones only when they are the best as well. A validation in the middle of an epoch is kept at once.
    """

    _restored: dict[str, Any] | None = None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Resumed: the generators go on where the checkpoint was written."""
        super().on_train_start(trainer, module)
        if self._restored is not None:
            restore_generators(self._restored)

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Keeps the epoch before."""
        _go_on(trainer)  # or Lightning takes this epoch for the one that the checkpoint saw
        self._keep(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Keeps nothing yet: schedulers step after this, in an epoch that was resumed in its middle too."""
        _go_on(trainer)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Keeps what was validated in the middle of an epoch."""
        if not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            self._keep(trainer)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Keeps the last epoch, so that a run that is killed while it is judged need not train again."""
        self._keep(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Lightning's own, with the generators."""
        return {**super().state_dict(), "generators": generators()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Holds the generators until training starts."""
        super().load_state_dict(state_dict)
        self._restored = state_dict["generators"]

    def _keep(self, trainer: pl.Trainer) -> None:
        # A resumed run has validated nothing yet, and stands where its checkpoint does
        if self.monitor in trainer.callback_metrics and not self._should_skip_saving_checkpoint(trainer):
            candidates = self._monitor_candidates(trainer)
            self._save_topk_checkpoint(trainer, candidates)
            self._save_last_checkpoint(trainer, candidates)


def _go_on(trainer: pl.Trainer) -> None:
    """A resumed run is as any other from here. The fit loop's own setter says the contrary under `max_steps`."""
    trainer.fit_loop._restarting = False
    trainer.fit_loop.epoch_loop.restarting = False


def generators() -> dict[str, Any]:
    """The state of torch's, numpy's and Python's global generators, as plain containers and tensors."""
    numpy: Any = np.random.get_state()
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
        "numpy": [numpy[0], numpy[1].tolist(), *numpy[2:]],
        "python": random.getstate(),
    }


def restore_generators(state: dict[str, Any]) -> None:
    """Sets the global generators; those of CUDA only where there are as many devices as there were."""
    torch.set_rng_state(state["cpu"].cpu())
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([device.cpu() for device in state["cuda"]])
    np.random.set_state(tuple(state["numpy"]))
    random.setstate(state["python"])
