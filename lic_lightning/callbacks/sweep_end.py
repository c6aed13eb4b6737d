"""The end of a multirun: tables and plots of whatever finished, and the names of what did not."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

log = logging.getLogger("lic.sweep")


class SweepEnd(Callback):
    """Writes `report/` into the sweep's folder; ends with exit code 1 if a cell failed."""

    def on_multirun_end(self, config: DictConfig, **settings: Any) -> None:
        """Called by Hydra in the launching process, after the last job, whatever the launcher."""
        from rich.console import Console
        from rich.markdown import Markdown

        from lic_lightning.job import FAILED
        from lic_lightning.reports.sweep import write_report

        folder = Path(config.hydra.sweep.dir)
        markdown, *others = write_report(folder)
        lines = markdown.read_text().splitlines()
        Console().print(Markdown("\n".join(line for line in lines if not line.startswith("!["))))
        log.info("wrote %s and %d files beside it", markdown, len(others))
        failed = {path.parent.name: path for path in folder.glob(f"*/{FAILED}")}
        for cell, path in failed.items():
            log.error("cell %s failed: %s", cell, path.read_text().strip().splitlines()[-1])
        if failed:
            raise SystemExit(1)
