"""One Hydra job: a run in its folder, its failure told in one line and remembered there."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig

import lic_lightning.configs  # noqa: F401 - its resolvers, in a launcher's worker

log = logging.getLogger("lic")

FAILED = "failed.txt"


def run_job(task: Callable[[DictConfig, Path], object], cfg: DictConfig) -> None:
    """Runs `task` in the job's folder.

    A failure is logged in one line, its traceback kept in `failed.txt` until a later try of the same cell succeeds. It
    ends a single run with exit code 1; in a multirun the other cells go on, and the sweep's end names it.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    if hydra.mode == RunMode.MULTIRUN:
        # DDP starts its other processes with this process's arguments: they shall run this job, not the sweep.
        sys.argv[1:] = list(hydra.overrides.task)
    try:
        _refuse_new_keys(hydra.overrides.task)
        task(cfg, folder)
    except Exception as error:
        if "HYDRA_FULL_ERROR" in os.environ:
            raise
        cause = _cause(error)
        log.error("%s: %s (traceback in %s)", type(cause).__name__, cause, folder / FAILED)
        with suppress(OSError):  # a full disk has been told in the line above
            (folder / FAILED).write_text("".join(traceback.format_exception(cause)))
        if hydra.mode == RunMode.RUN:
            raise SystemExit(1) from None
    else:
        (folder / FAILED).unlink(missing_ok=True)


def _refuse_new_keys(overrides: Sequence[str]) -> None:
    """A new key at the top of the config means nothing: nearly always a typo, `+lambda` for `lmbda`."""
    for override in overrides:
        key = override.partition("=")[0]
        if key.startswith("+") and not set("./@") & set(key):
            raise ValueError(f"{override}: there is no setting {key.lstrip('+')!r}; `--cfg job` prints those there are")


def _cause(error: BaseException) -> BaseException:
    """The error itself, out of Hydra's wrapping."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    return error
