"""W&B runs where nobody has logged in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LOG = """
import sys
from lic_lightning.loggers.wandb_run import WandbRun
for name in ("first", "second"):
    logger = WandbRun(project="lic_lightning", save_dir=sys.argv[1], name=name)
    logger.log_hyperparams({"lmbda": 0.013})
    logger.finalize("success")
"""


def test_without_a_key_each_job_has_an_offline_run(tmp_path: Path) -> None:
    stranger = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    stranger |= {"HOME": str(tmp_path / "home"), "NETRC": str(tmp_path / "netrc")}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOG, str(tmp_path)],
        env=stranger,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert len(list(tmp_path.glob("wandb/offline-run-*/*.wandb"))) == 2
