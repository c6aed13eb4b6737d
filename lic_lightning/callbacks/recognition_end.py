"""The end of a multirun of `lic recognize`: one table, rate-accuracy plots, and the names of cells that failed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

log = logging.getLogger("lic.recognize")


class RecognitionEnd(Callback):
    """Writes `report/recognition.md` and plots into the sweep's folder; ends with exit code 1 if a cell failed."""

    def on_multirun_end(self, config: DictConfig, **settings: Any) -> None:
        """Called by Hydra in the launching process, after the last job."""
        from rich.console import Console
        from rich.markdown import Markdown

        from lic_lightning.evaluation.results import read_rows, result_files
        from lic_lightning.files import write_atomically
        from lic_lightning.reports.recognition import as_report
        from lic_lightning.run import FAILED

        folder = Path(config.hydra.sweep.dir)
        if result_files(folder):
            files = as_report(read_rows(folder))
            for name, content in files.items():
                write_atomically(folder / "report" / name, content)
            Console().print(Markdown(files["recognition.md"].decode()))
        failed = sorted(folder.glob(f"*/{FAILED}"))
        for path in failed:
            log.error("cell %s failed: %s", path.parent.name, path.read_text().strip().splitlines()[-1])
        if failed:
            raise SystemExit(1)
