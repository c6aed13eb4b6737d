"""A run that is interrupted and started again ends with the bits of one that never was, whatever ended it and when."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from safetensors.torch import load_file

from lic_lightning.runs.progress import read_progress

TIMES = ("encode_s", "decode_s", "label_s")
# Every validation halves the rate, so that a run that forgets one ends elsewhere
RUN = (
    "trainer.max_epochs=6",
    "data.epoch_size=6",
    "optimizer.lr=3e-2",
    "scheduler.factory.patience=0",
    "scheduler.factory.min_lr=0",
    "+scheduler.factory.threshold=1",
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


def start(
    photographs: Path, output: Path, overrides: tuple[str, ...], moment: str | None = None, signum: int = 0
) -> BaseProcess:
    """Starts `lic train` in a process of its own."""
    environment = {"LIC_DATA": str(photographs), "LIC_OUTPUT": str(output), "OMP_NUM_THREADS": "1"}
    changed = {override.partition("=")[0] for override in RUN}
    kept = [override for override in overrides if override.partition("=")[0] not in changed]
    process = servers.Process(target=lic, args=((*kept, *RUN), environment, moment, signum))
    process.start()
    return process


def ended(child: BaseProcess) -> int | None:
    """Its exit code; minus the number of the signal that killed it, if one did."""
    child.join(900)  # a loaded machine is no failure, a hang is
    return child.exitcode


def outcome(cell: Path) -> tuple[dict[str, bytes], pl.DataFrame]:
    """The bits of a run's weights, and its rows but for what a clock measured."""
    from lic_lightning.evaluation.results import read_rows

    weights = load_file(cell / "codec.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in weights.items()}, read_rows(cell).drop(TIMES)


def assert_equal(sweep: Path, other: Path) -> None:
    """Two sweeps of the same cells."""
    cells = [sorted(path.parent.name for path in folder.glob("*/results.parquet")) for folder in (sweep, other)]
    assert cells[0] == cells[1]
    for cell in cells[0]:
        (weights, rows), (expected_weights, expected_rows) = outcome(sweep / cell), outcome(other / cell)
        assert [name for name, bits in expected_weights.items() if weights[name] != bits] == []
        assert rows.equals(expected_rows)


@pytest.fixture(scope="module")
def whole(photographs: Path, tmp_path_factory: pytest.TempPathFactory, tiny: tuple[str, ...]) -> Path:
    """The sweep of a run that nothing interrupted, without worker processes."""
    output = tmp_path_factory.mktemp("whole")
    assert ended(start(photographs, output, tiny)) == 0
    return output / "main"


@pytest.mark.slow
@pytest.mark.parametrize("signum", EXIT_CODES, ids=lambda signum: signum.name)
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_run_ends_as_if_it_had_not_been(
    photographs: Path, tmp_path: Path, tiny: tuple[str, ...], whole: Path, moment: str, signum: signal.Signals
) -> None:
    assert ended(start(photographs, tmp_path, tiny, moment=moment, signum=signum)) == EXIT_CODES[signum]
    assert list(tmp_path.glob("main/*/results.parquet")) == []
    assert ended(start(photographs, tmp_path, tiny)) == 0
    assert_equal(tmp_path / "main", whole)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 2), (2, 0), (0, 2)])
@pytest.mark.parametrize("signum", EXIT_CODES, ids=lambda signum: signum.name)
def test_workers_before_and_after_the_interruption_change_nothing(
    photographs: Path,
    tmp_path: Path,
    tiny: tuple[str, ...],
    whole: Path,
    before: int,
    after: int,
    signum: signal.Signals,
) -> None:
    """At a moment after the third validation that chance chooses."""
    process = start(photographs, tmp_path, (*tiny, f"data.workers={before}"))
    while not any(progress.step >= 9 for cell in tmp_path.glob("main/*") if (progress := read_progress(cell))):
        assert process.is_alive()
        time.sleep(0.01)
    time.sleep(random.random() / 5)
    os.kill(process.pid, signum)
    ended(process)
    assert ended(start(photographs, tmp_path, (*tiny, f"data.workers={after}"))) == 0
    assert_equal(tmp_path / "main", whole)
