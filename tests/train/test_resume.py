"""A run that is interrupted and started again ends with the bits of one that never was, whatever ended it and when."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from safetensors.torch import load_file

TIMES = ("encode_s", "decode_s", "label_s")
# Every validation that is no better halves the rate, so that a run that forgets one ends elsewhere
RUN = (
    "trainer.max_epochs=6",
    "data.epoch_size=6",
    "optimizer.lr=3e-2",
    "scheduler.factory.patience=0",
    "scheduler.factory.min_lr=0",
)
MOMENTS = {  # after which call of what
    "mid-epoch": ("lic_lightning.modules.codec_module.CodecModule.training_step", 11),
    "during validation": ("lic_lightning.modules.codec_module.CodecModule.validation_step", 4),
    "just after a validation line": ("lic_lightning.runs.progress.Progress.write", 3),
    "between two checkpoints": ("lic_lightning.runs.checkpoint.AtomicCheckpointIO.save_checkpoint", 3),
    "during the final evaluation": ("lic_lightning.callbacks.rd_point.write_comparison", 1),
}
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}
# Forks from a process that has imported everything and run nothing: a start costs no imports
servers = multiprocessing.get_context("forkserver")
servers.set_forkserver_preload(["lic_lightning.commands.train", "lic_lightning.callbacks.rd_point", "pytest"])


def lic(overrides: tuple[str, ...], environment: Mapping[str, str], moment: str | None, signum: int) -> None:
    """`lic train`, which kills itself at a moment."""
    import torch

    from lic_lightning import cli

    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patched:
        if moment is not None:
            interrupt(patched, moment, signum)
        raise SystemExit(cli.main(["train", *overrides]))


def interrupt(patched: pytest.MonkeyPatch, moment: str, signum: int) -> None:
    from hydra._internal.utils import _locate

    path, which = MOMENTS[moment]
    method, calls = _locate(path), iter(range(1, 1000))

    def hooked(*arguments: Any, **settings: Any) -> Any:
        result = method(*arguments, **settings)
        if next(calls) == which:
            os.kill(os.getpid(), signum)
            time.sleep(0.05)
        return result

    patched.setattr(path, hooked)


Start = Callable[..., BaseProcess]


@pytest.fixture
def start(photographs: Path, tmp_path: Path, tiny: tuple[str, ...]) -> Start:
    """Starts `lic train` in a process of its own."""
    environment = {"LIC_DATA": str(photographs), "LIC_OUTPUT": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def started(*overrides: str, moment: str | None = None, signum: int = 0) -> BaseProcess:
        keys = {override.partition("=")[0] for override in overrides}
        defaults = [override for override in tiny if override.partition("=")[0] not in keys]
        child = servers.Process(target=lic, args=((*defaults, *RUN, *overrides), environment, moment, signum))
        child.start()
        return child

    return started


def ended(child: BaseProcess) -> int | None:
    """Its exit code; minus the number of the signal that killed it, if one did."""
    child.join(120)
    return child.exitcode


def outcome(sweep: Path) -> tuple[dict[str, bytes], pl.DataFrame]:
    """The bits of a run's weights, and its rows but for what a clock measured."""
    from lic_lightning.evaluation.results import read_rows

    (results,) = sweep.glob("*/results.parquet")
    weights = load_file(results.with_name("codec.safetensors"))
    return {name: tensor.numpy().tobytes() for name, tensor in weights.items()}, read_rows(results).drop(TIMES)


def assert_equal(sweep: Path, other: Path) -> None:
    (weights, rows), (expected_weights, expected_rows) = outcome(sweep), outcome(other)
    assert [name for name, bits in expected_weights.items() if weights[name] != bits] == []
    assert rows.equals(expected_rows)


@pytest.mark.slow
@pytest.mark.parametrize("signum", EXIT_CODES, ids=lambda signum: signum.name)
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_run_ends_as_if_it_had_not_been(
    start: Start, tmp_path: Path, moment: str, signum: signal.Signals
) -> None:
    assert ended(start("sweep=whole")) == 0
    assert ended(start("sweep=cut", moment=moment, signum=signum)) == EXIT_CODES[signum]
    assert list((tmp_path / "cut").glob("*/results.parquet")) == []
    assert ended(start("sweep=cut")) == 0
    assert_equal(tmp_path / "cut", tmp_path / "whole")
