"""One Hydra job: a run alone in its folder, its failure told in one line and remembered there."""

import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig
from pytorch_lightning.utilities.rank_zero import rank_zero_only

import lic_lightning.runs.identity  # noqa: F401 - its resolvers, in a launcher's worker
from lic_lightning.files import write_atomically
from lic_lightning.runs.lock import RunningElsewhereError, alone_in
from lic_lightning.runs.progress import read_progress
from lic_lightning.runs.run import FAILED

log = logging.getLogger("lic")


def run_job(task: Callable[[DictConfig, Path], object], cfg: DictConfig) -> float | None:
    """Runs `task` in the job's folder, where no other process may be.

    Returns:
        The lowest validation loss: what a sweeper minimizes. None where nothing was trained, or the job failed.

    A failure is logged in one line, its traceback kept in `failed.txt` until a later try of the same cell succeeds. It
    ends a single run with exit code 1; in a multirun the other cells go on, and the sweep's end names it. A cell that
    another process is in is left to it: in a multirun that is no failure.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    if hydra.mode == RunMode.MULTIRUN:
        # DDP starts its other processes with this process's arguments: they shall run this job, not the sweep.
        sys.argv[1:] = list(hydra.overrides.task)
    try:
        _refuse_new_keys(hydra.overrides.task)
        with nullcontext() if joins() else alone_in(folder):
            task(cfg, folder)
            (folder / FAILED).unlink(missing_ok=True)
    except RunningElsewhereError as elsewhere:
        log.warning("%s", elsewhere)
        if hydra.mode == RunMode.RUN:
            raise SystemExit(1) from None
        return None
    except Exception as error:
        if "HYDRA_FULL_ERROR" in os.environ:
            raise
        own = cause(error)
        log.error("%s: %s (traceback in %s)", type(own).__name__, own, folder / FAILED)
        with suppress(OSError):  # a full disk has been told in the line above
            write_atomically(folder / FAILED, "".join(traceback.format_exception(own)).encode())
        if hydra.mode == RunMode.RUN:
            raise SystemExit(1) from None
        return None
    progress = read_progress(folder)
    return progress.val_loss if progress else None


def joins() -> bool:
    """True in the processes that DDP adds to a run's first one, which holds the folder for them."""
    return getattr(rank_zero_only, "rank", 0) > 0


def _refuse_new_keys(overrides: Sequence[str]) -> None:
    """A new key at the top of the config means nothing: nearly always a typo, `+lambda` for `lmbda`."""
    for override in overrides:
        key = override.partition("=")[0]
        if key.startswith("+") and not set("./@") & set(key):
            raise ValueError(f"{override}: there is no setting {key.lstrip('+')!r}; `--cfg job` prints those there are")


def cause(error: BaseException) -> BaseException:
    """The error itself, out of Hydra's wrapping."""
    while isinstance(error, InstantiationException | ConfigCompositionException) and error.__cause__ is not None:
        error = error.__cause__
    return error
