"""`lic status` and `lic plan`: where a sweep stands, and what it will cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lic_lightning import cli
from lic_lightning.commands.status import Left, left
from lic_lightning.modules.codec_module import CodecModule
from lic_lightning.runs.cells import Cell, write_plan
from lic_lightning.runs.folder import run_folders
from lic_lightning.runs.lock import alone_in
from lic_lightning.runs.progress import Progress

Lic = Callable[..., Path]
GRID = ("lmbda=-1,0.0067,0.0130,0.0250", "trainer.max_epochs=4")


@pytest.fixture
def sweep(lic_train: Lic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of four cells the first fails, the second finishes, Ctrl-C stops the third, the fourth never starts."""
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    step = CodecModule.training_step

    def interrupted(self: CodecModule, batch: object, batch_idx: int) -> torch.Tensor:
        if self.objective.lmbda == 0.0130 and self.current_epoch == 2:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)  # type: ignore[arg-type]

    monkeypatch.setattr(CodecModule, "training_step", interrupted)
    with pytest.raises(SystemExit):
        lic_train("-m", *GRID)
    monkeypatch.setattr(CodecModule, "training_step", step)
    return tmp_path / "outputs" / "main"


def test_a_setting_that_names_another_belongs_to_the_cell_that_runs(
    lic_train: Lic, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = lic_train("-m", "lmbda=0.0067,0.0130", "optimizer.lr=${lmbda}", "trainer.max_epochs=1") / "main"
    capsys.readouterr()
    assert cli.main(["status", str(sweep), "--json"]) == 0
    assert [cell["state"] for cell in json.loads(capsys.readouterr().out)["cells"]] == ["done", "done"]


def test_the_grid_shows_every_cell_of_the_plan(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", str(sweep), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert [cell["state"] for cell in status["cells"]] == ["failed", "done", "stopped", "missing"]
    failed, done, stopped, _ = status["cells"]
    assert failed["error"] == "ValueError: lmbda must be positive, got -1"
    assert (done["step"], done["of"]) == (8, 8)
    assert (stopped["step"], stopped["of"]) == (4, 8)
    assert status["left"]["steps"] == 8 + 4 + 8
    assert 0 < status["left"]["hours"] < 1

    assert cli.main(["status", str(sweep)]) == 0
    table = capsys.readouterr().out
    assert "stopped 50 %" in table
    assert "4 cells: 1 done, 1 failed, 1 stopped, 1 missing" in table


def test_the_same_multirun_again_does_what_was_left_and_nothing_twice(lic_train: Lic, sweep: Path) -> None:
    (done,) = sweep.glob("*/results.parquet")
    before = done.stat().st_mtime_ns
    with pytest.raises(SystemExit):
        lic_train("-m", *GRID)
    assert [run.state for run in run_folders(sweep)] == ["failed", "done", "done", "done"]
    assert done.stat().st_mtime_ns == before
    assert len(list((sweep / ".plans").iterdir())) == 1


def test_a_cell_is_running_while_a_process_holds_its_folder(tmp_path: Path) -> None:
    write_plan(tmp_path, [Cell("a", ("lmbda=1",))])
    (tmp_path / "a").mkdir()
    with alone_in(tmp_path / "a"):
        assert [run.state for run in run_folders(tmp_path)] == ["running"]
    assert [run.state for run in run_folders(tmp_path)] == ["missing"]


def test_a_cell_without_a_measure_is_taken_to_be_as_its_curve(tmp_path: Path) -> None:
    measured = Progress(step=100, of=100, seconds_per_step=36.0, val_loss=1.0)
    other = Progress(step=10, of=10, seconds_per_step=1.0, val_loss=1.0)
    write_plan(tmp_path, [Cell("a", (), "food", "x"), Cell("b", (), "portrait", "x"), Cell("c", (), "food", "x")])
    for name, progress in (("a", measured), ("b", other)):
        progress.write(tmp_path / name)
        (tmp_path / name / "results.parquet").touch()
    runs = run_folders(tmp_path)
    assert left(runs) == Left(steps=100, hours=1.0)
    assert left(runs[2:]) == Left(steps=None, hours=None)


def test_a_folder_that_is_not_there_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "/nowhere"]) == 2
    assert capsys.readouterr().err == "lic: no sweep folder /nowhere\n"


@pytest.fixture
def lic_plan(
    tiny: tuple[str, ...],
    photographs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> Callable[..., list[dict]]:
    """`lic plan --json` with overrides."""
    monkeypatch.setenv("LIC_DATA", str(photographs))
    monkeypatch.setenv("LIC_OUTPUT", str(tmp_path / "outputs"))

    def run(*overrides: str) -> list[dict]:
        assert cli.main(["plan", "--json", *tiny, *overrides]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_a_dry_run_writes_nothing_and_knows_no_hours_before_a_measure(lic_plan: Callable, tmp_path: Path) -> None:
    cells = lic_plan("-m", "lmbda=0.0067,0.0130", "trainer.max_epochs=3")
    assert [(cell["steps"], cell["hours"], cell["done"]) for cell in cells] == [(6, None, False)] * 2
    assert not (tmp_path / "outputs").exists()


def test_a_dry_run_names_the_cells_steps_and_disk_of_the_run(
    lic_train: Lic, lic_plan: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = (path.parent for path in lic_train().glob("main/*/results.parquet"))
    capsys.readouterr()
    done, todo = lic_plan("-m", "lmbda=0.0130,0.0250")
    assert (done["cell"], done["done"]) == (run.name, True)
    assert done["steps"] == json.loads((run / "progress.json").read_text())["of"]
    assert todo["hours"] > 0
    written = sum(path.stat().st_size for path in (*run.glob("checkpoints/*"), run / "codec.safetensors"))
    assert done["disk"] == pytest.approx(written, rel=0.25)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("lmbd=1", "Key 'lmbd' is not in struct"),
        ("category=fod", "Could not find 'category/fod'"),
        ("paths.data=/nowhere", "not found at /nowhere/food"),
        ("codec.weights=/nowhere/a.pth.tar", "no weights at /nowhere/a.pth.tar"),
        ("trainer.max_epochs=-1", "training has no end"),
    ],
)
def test_a_dry_run_says_what_would_fail(
    tiny: tuple[str, ...],
    photographs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    override: str,
    words: str,
) -> None:
    monkeypatch.setenv("LIC_DATA", str(photographs))
    chosen = [default for default in tiny if default.partition("=")[0] != override.partition("=")[0]]
    assert cli.main(["plan", *chosen, override]) == 2
    assert words in capsys.readouterr().err
