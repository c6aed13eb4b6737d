"""What goes wrong is said in one line, and the rest of a sweep goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Lic = Callable[..., Path]


@pytest.fixture(autouse=True)
def as_a_user_sees_it(lic_train: Lic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)


def refused(lic_train: Lic, capfd: pytest.CaptureFixture[str], *overrides: str) -> str:
    with pytest.raises(SystemExit) as end:
        lic_train(*overrides)
    assert end.value.code == 1
    out, err = capfd.readouterr()
    return out + err


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("lmbd=0.01", "Key 'lmbd' is not in struct"),
        ("+lambda=0.01", "+lambda=0.01: there is no setting 'lambda'"),
        ("trainer.max_epoch=3", "Key 'max_epoch' is not in struct"),
        ("category=fod", "Could not find 'category/fod'"),
        ("paths.data=/nowhere", "not found at /nowhere/food. Expected layout"),
        ("codec.weights=/nowhere/a.pth.tar", "no weights at /nowhere/a.pth.tar"),
        ("freeze.train=[g_b]", "freeze.train names 'g_b'; known: roles encoder"),
        ("freeze=all", "freeze=all trains nothing"),
        ("data.crop=100", "data.crop=100 must be a multiple of 64"),
        ("resume=/nowhere/last.ckpt", "resume=/nowhere/last.ckpt: no such checkpoint"),
        ("evaluation.metrics=[vmaf]", "unknown metrics ['vmaf']"),
    ],
)
def test_an_error_says_what_was_wrong(
    lic_train: Lic, capfd: pytest.CaptureFixture[str], override: str, words: str
) -> None:
    said = refused(lic_train, capfd, override)
    assert words in said
    assert "Traceback" not in said


def test_a_failed_cell_does_not_stop_the_sweep_and_is_named(
    lic_train: Lic, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = refused(lic_train, capfd, "-m", "debug=fdr", "lmbda=-1,0.0130")
    sweep = tmp_path / "outputs" / "debug"
    assert len(list(sweep.glob("*/results.parquet"))) == 1
    (failed,) = sweep.glob("*/failed.txt")
    assert f"cell {failed.parent.name} failed: ValueError: lmbda must be positive" in said
    assert failed.parent.name in (sweep / "report" / "bd_rate.md").read_text()


def test_a_cell_that_failed_is_tried_again(lic_train: Lic, tmp_path: Path, photographs: Path) -> None:
    with pytest.raises(SystemExit):
        lic_train("debug=fdr", "paths.data=/nowhere")
    lic_train("debug=fdr", f"paths.data={photographs}")
    (cell,) = (tmp_path / "outputs" / "debug").iterdir()
    assert (cell / "results.parquet").exists()
    assert not (cell / "failed.txt").exists()
