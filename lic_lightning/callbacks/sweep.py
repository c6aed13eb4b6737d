"""A multirun: at its start the list of its cells, at its end tables and plots of what finished, and what did not."""

import logging
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

log = logging.getLogger("lic.sweep")


class SweepStart(Callback):
    """Leaves the plan of a multirun in its folder, for `lic status`."""

    def on_multirun_start(self, config: DictConfig, **settings: Any) -> None:
        """Called by Hydra in the launching process, before the first job, whatever the launcher."""
        from lic_lightning.runs.cells import write_plan
        from lic_lightning.runs.grid import grid

        if cells := grid(config):
            write_plan(Path(config.hydra.sweep.dir), [cell for cell, _ in cells])


class SweepEnd(Callback):
    """Writes `report/` into the sweep's folder; ends with exit code 1 if a cell, or the report, failed."""

    def on_multirun_end(self, config: DictConfig, **settings: Any) -> None:
        """Called by Hydra in the launching process, after the last job, whatever the launcher."""
        from lic_lightning.runs.folder import run_folders

        folder = Path(config.hydra.sweep.dir)
        runs = run_folders(folder)
        failed = [run for run in runs if run.error]
        try:
            self._report(folder)
        except Exception:  # Hydra would make a warning of it, and the sweep look well
            log.exception("the report of %s failed", folder)
            raise SystemExit(1) from None
        finally:
            for run in runs:
                if run.state == "running":
                    log.warning("cell %s is running elsewhere: `lic status %s`", run.name, folder)
            for run in failed:
                log.error("cell %s failed: %s", run.name, run.error)
        if failed:
            raise SystemExit(1)

    def _report(self, folder: Path) -> None:
        from rich.console import Console
        from rich.markdown import Markdown

        from lic_lightning.reports.sweep import write_report  # slow, and Hydra makes this object before every job

        written = write_report(folder)
        for path in written:
            if path.suffix == ".md":
                lines = path.read_text().splitlines()
                Console().print(Markdown("\n".join(line for line in lines if not line.startswith("!["))))
        log.info("wrote %s and %d files beside it", written[0], len(written) - 1)
