"""`lic selector` after a small sweep: the classifier's file and the tables, from the runs' own rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from lic_lightning import cli
from lic_lightning.commands import selector as select_encoder
from lic_lightning.evaluation.results import read_rows
from lic_lightning.modules.head_module import HeadModule
from lic_lightning.selection.choices import ChoicesError
from lic_lightning.selection.classifier import CLASSIFIER, ClassifierError, load_classifier

CATEGORIES = ("+category@categories.food=food", "+category@categories.general=general")
SMALL = ("test_sets@categories=none", "~category@rejected.general", "size=32", "training.epochs=1", "threads=1")


@pytest.fixture
def sweep(lic_train: Callable[..., Path], base: Path) -> Path:
    """Two categories' encoders at one λ, each evaluated on both categories."""
    tests = ("+category@test_sets.food=food", "+category@test_sets.general=general")
    output = lic_train("-m", "category=food,general", f"codec.weights={base}", "lmbda=0.013", *tests)
    return output / "main"


def lic_selector(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> None:
    monkeypatch.setattr("sys.argv", ["lic selector", *SMALL, *CATEGORIES, *overrides])
    select_encoder.main()


def test_the_tables_come_from_the_rows_of_the_sweep(
    sweep: Path, base: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lic_selector(monkeypatch, f"encoders={sweep}", f"base={base}")
    folder = sweep.parent / "selector"
    table = pl.read_csv(folder / "selection.csv")
    rows = read_rows(sweep)
    label = table.filter(test_set="food", way="label")
    assert label["bpp"].item() == rows.filter(role="tuned", category="food", test_set="food")["bpp"].mean()
    assert label["images"].item() == 2
    best = table.filter(pl.col("way") == "best of K")
    others = table.group_by("test_set").agg(pl.col("cost").min())
    assert best.join(others, on="test_set").filter(pl.col("cost") > pl.col("cost_right") + 1e-12).is_empty()
    page = (folder / "selection.md").read_text()
    for title in ("What each way of choosing saves", "The classifier on the test splits", "What deployment costs"):
        assert f"## {title}" in page

    capsys.readouterr()
    photo = photographs / "food" / "0.png"
    out = ("-o", str(folder / "photo.lic"), "--lmbda", "0.013", "--weights", str(base), "--encoders", str(sweep))
    assert cli.main(["encode", str(photo), *out, "--encoder", "auto", "--classifier", str(folder)]) == 0
    assert cli.main(["decode", str(folder / "photo.lic"), "--weights", str(base)]) == 0

    lic_selector(monkeypatch, f"classifier={folder}/classifier.safetensors", "name=again")
    again = (sweep.parent / "again" / "selection.md").read_text()
    assert "The classifier on the test splits" in again
    assert "deployment" not in again

    with pytest.raises(ChoicesError, match="evaluated on other photographs of food"):
        lic_selector(monkeypatch, f"encoders={sweep}", "split_seed=1")


@pytest.mark.parametrize("stop_at", [4, 6])
def test_a_killed_training_goes_on_exactly(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    monkeypatch.setenv("LIC_DATA", str(photographs))
    monkeypatch.setenv("LIC_OUTPUT", str(tmp_path))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    settings = ("training.epochs=3", "training.batch_size=3", "trainer.accelerator=cpu")
    lic_selector(monkeypatch, *settings, "name=whole")
    step, taken = HeadModule.training_step, 0

    def killed(self: HeadModule, batch: object, batch_idx: int) -> torch.Tensor:
        nonlocal taken
        if (taken := taken + 1) > stop_at:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    monkeypatch.setattr(HeadModule, "training_step", killed)
    with pytest.raises(SystemExit):
        lic_selector(monkeypatch, *settings, "name=halves")
    monkeypatch.setattr(HeadModule, "training_step", step)
    assert not (tmp_path / "halves" / CLASSIFIER).exists()
    with pytest.raises(ClassifierError, match=r"a training of other settings was stopped in .*halves.* resume=null"):
        lic_selector(monkeypatch, *settings, "name=halves", "training.lr=0.1")
    lic_selector(monkeypatch, *settings, "name=halves")
    whole, halves = (load_file(tmp_path / name / CLASSIFIER) for name in ("whole", "halves"))
    assert [name for name in whole if not whole[name].equal(halves[name])] == []
    assert load_classifier(tmp_path / "whole").info == load_classifier(tmp_path / "halves").info
