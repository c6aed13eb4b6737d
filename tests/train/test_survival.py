"""Sweeps survive: killed processes, a full disk, half a checkpoint, two processes at one cell."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lic_lightning.evaluation.results import read_rows
from lic_lightning.modules.codec_module import CodecModule
from lic_lightning.runs import lock
from lic_lightning.runs.checkpoint import AtomicCheckpointIO, CheckpointError, checkpoint_to_resume
from lic_lightning.runs.folder import run_folders
from lic_lightning.runs.lock import is_held

Lic = Callable[..., Path]


def start(photographs: Path, output: Path, *overrides: str) -> subprocess.Popen[bytes]:
    """`lic train` in a process of its own."""
    environment = {**os.environ, "LIC_DATA": str(photographs), "LIC_OUTPUT": str(output), "OMP_NUM_THREADS": "1"}
    environment.pop("HYDRA_FULL_ERROR", None)
    command = [sys.executable, "-m", "lic_lightning.cli", "train", *overrides]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(happened: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    while not happened():
        assert process.poll() is None, f"ended with {process.returncode} before it could be killed"
        time.sleep(0.02)


def contents(sweep: Path) -> dict[Path, str]:
    """Digest of every results file, each read whole."""
    found = {}
    for path in sweep.glob("*/results.parquet"):
        assert read_rows(path)["bytes"].is_not_null().all()
        found[path] = sha256(path.read_bytes()).hexdigest()
    return found


@pytest.mark.slow
def test_a_sweep_killed_at_random_moments_loses_nothing(
    tiny: tuple[str, ...], photographs: Path, tmp_path: Path
) -> None:
    sweep, moments = tmp_path / "main", random.Random(0)
    overrides = ("-m", *tiny, "lmbda=0.0067,0.0130", "trainer.max_epochs=12", "data.epoch_size=8")
    finished: dict[Path, str] = {}
    for _ in range(2):
        process = start(photographs, tmp_path, *overrides)
        alive = time.time()
        wait_for(lambda alive=alive: any(p.stat().st_mtime > alive for p in sweep.glob("*/progress.json")), process)
        time.sleep(moments.uniform(0, 2))
        process.kill()
        process.wait()
        now = contents(sweep)
        assert finished.items() <= now.items(), "a finished result was lost or written anew"
        finished = now
    assert start(photographs, tmp_path, *overrides).wait() == 0
    assert finished.items() <= contents(sweep).items()
    assert [run.state for run in run_folders(sweep)] == ["done", "done"]
    assert list(sweep.glob("**/.*.tmp")) == []


@pytest.mark.slow
def test_two_processes_at_one_cell(
    tiny: tuple[str, ...],
    lic_train: Lic,
    photographs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second leaves the cell alone and does the next one; when the first dies, its cell is free at once."""
    output = tmp_path / "outputs"
    grid = ("lmbda=0.0067,0.0130", "trainer.max_epochs=1000")
    first = start(photographs, output, "-m", *tiny, *grid)
    wait_for(lambda: list((output / "main").glob("*/checkpoints/last.ckpt")), first)
    (taken,) = (path.parent for path in (output / "main").glob("*/progress.json"))
    assert is_held(taken)

    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    monkeypatch.setattr(CodecModule, "training_step", stopped_after(3))
    with pytest.raises(SystemExit):
        lic_train("-m", *grid)
    assert f"{taken} is running elsewhere" in (taken / "train.log").read_text()
    assert {run.state for run in run_folders(output / "main")} == {"running", "stopped"}

    first.kill()
    first.wait()
    assert not is_held(taken)


def stopped_after(epochs: int) -> Callable[[CodecModule, object, int], torch.Tensor]:
    """A training step that Ctrl-C interrupts."""
    step = CodecModule.training_step

    def interrupted(self: CodecModule, batch: object, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == epochs:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)  # type: ignore[arg-type]

    return interrupted


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that fills in the middle of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_fails_the_run_leaves_no_half_file_and_costs_no_checkpoint(
    lic_train: Lic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    with files_of_at_most(100_000), pytest.raises(SystemExit):
        lic_train()
    (cell,) = (tmp_path / "outputs" / "main").iterdir()
    (run,) = run_folders(cell.parent)
    assert (run.state, run.error) == ("failed", "OSError: [Errno 27] File too large")
    assert list(cell.glob("checkpoints/*")) == []
    lic_train()
    assert (cell / "results.parquet").is_file()


def test_the_checkpoint_of_before_stands_when_the_next_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"global_step": 1}, path)
    with files_of_at_most(1000), pytest.raises(OSError, match="File too large"):
        AtomicCheckpointIO().save_checkpoint({"global_step": 2, "weights": torch.zeros(1000)}, path)
    assert torch.load(path, weights_only=True) == {"global_step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_half_a_checkpoint_is_told_and_the_run_goes_on_from_the_other(
    lic_train: Lic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with the bits of a run that was never interrupted."""
    settings = ("trainer.max_epochs=4", "data.epoch_size=6")
    (whole,) = (lic_train(*settings, "sweep=whole") / "whole").glob("*/codec.safetensors")
    step = CodecModule.training_step
    monkeypatch.setattr(CodecModule, "training_step", stopped_after(2))
    with pytest.raises(SystemExit):
        lic_train(*settings, "sweep=halves")
    monkeypatch.setattr(CodecModule, "training_step", step)
    (last,) = whole.parents[2].glob("halves/*/checkpoints/last.ckpt")
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])

    lic_train(*settings, "sweep=halves")
    log = (last.parents[1] / "train.log").read_text().splitlines()
    (warning,) = (line for line in log if "no readable checkpoint" in line)
    assert str(last) in warning
    assert "the run goes on from" in warning
    assert "best.ckpt, step" in warning
    assert last.with_name("last.ckpt.corrupt").is_file()
    resumed = load_file(last.parents[1] / "codec.safetensors")
    assert [name for name, t in load_file(whole).items() if not torch.equal(t, resumed[name])] == []


@pytest.mark.parametrize("corrupt", [["best.ckpt"], ["best.ckpt", "last.ckpt"]])
def test_without_its_best_weights_a_run_starts_from_the_beginning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, corrupt: list[str]
) -> None:
    AtomicCheckpointIO().save_checkpoint({"global_step": 9}, tmp_path / "checkpoints" / "last.ckpt")
    for name in corrupt:
        (tmp_path / "checkpoints" / name).write_bytes(b"PK half")
    assert checkpoint_to_resume("auto", tmp_path) is None
    assert "the run goes on from the beginning" in caplog.text
    assert sorted(path.stem for path in tmp_path.glob("checkpoints/*.corrupt")) == corrupt


def test_a_checkpoint_asked_for_by_name_must_be_readable(tmp_path: Path) -> None:
    path = tmp_path / "mine.ckpt"
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"mine\.ckpt is no readable checkpoint"):
        checkpoint_to_resume(str(path), tmp_path)
    assert path.exists()
