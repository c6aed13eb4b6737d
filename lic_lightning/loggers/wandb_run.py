"""Lightning's W&B logger, one W&B run per job: offline without a key, closed when the job ends."""

import os
from typing import Any

import wandb
from pytorch_lightning.loggers import WandbLogger


class WandbRun(WandbLogger):
    """Offline where no key is known (unless WANDB_MODE says otherwise), and finished with the job, failed or not.

    Lightning's own leaves the run open, so the next job of a multirun would land in it.
    """

    def __init__(self, **settings: Any) -> None:
        if "WANDB_MODE" not in os.environ and not wandb.login(prompt=False):
            settings["mode"] = "offline"  # Lightning's own offline=True is a variable that W&B has read before
        super().__init__(**settings)

    def finalize(self, status: str) -> None:
        """Closes the W&B run; Lightning calls it after the last hook, and on an exception."""
        super().finalize(status)
        wandb.finish(exit_code=0 if status == "success" else 1)
