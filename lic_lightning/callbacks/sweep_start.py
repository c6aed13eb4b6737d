"""The start of a multirun: the list of its cells, those included that have yet to start."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class SweepStart(Callback):
    """Leaves the plan of a multirun in its folder, for `lic status`."""

    def on_multirun_start(self, config: DictConfig, **settings: Any) -> None:
        """Called by Hydra in the launching process, before the first job, whatever the launcher."""
        from lic_lightning.runs.cells import write_plan
        from lic_lightning.runs.grid import grid

        if cells := grid(config):
            write_plan(Path(config.hydra.sweep.dir), [cell for cell, _ in cells])
