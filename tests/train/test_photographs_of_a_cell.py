"""A cell, finished or half done, and the photographs that it was made from."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lic_lightning import cli
from lic_lightning.codecs.registry import build
from lic_lightning.codecs.weights import save_state
from lic_lightning.data.splits import PhotographsChangedError
from lic_lightning.evaluation.curve import curves
from lic_lightning.evaluation.results import read_rows
from lic_lightning.files import file_part
from lic_lightning.reports.crops import comparisons

Lic = Callable[..., Path]


@pytest.fixture
def own(photographs: Path, tmp_path: Path) -> Path:
    """The photographs in a folder that a test may change."""
    return Path(shutil.copytree(photographs, tmp_path / "photographs"))


def test_photographs_added_between_a_kill_and_a_resume_never_change_sides(lic_train: Lic, own: Path) -> None:
    (cell,) = (lic_train(f"paths.data={own}") / "main").iterdir()
    splits = (cell / "splits.json").read_bytes()
    (cell / "results.parquet").unlink()  # killed before its rows
    shutil.copy(own / "general" / "0.png", own / "food" / "new.png")
    with pytest.raises(PhotographsChangedError, match=r"1 added, new\.png"):
        lic_train(f"paths.data={own}")
    assert (cell / "splits.json").read_bytes() == splits
    assert not (cell / "results.parquet").exists()


def test_a_finished_cell_is_not_met_with_other_photographs_in_silence(
    lic_evaluate: Lic, own: Path, photographs: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = (f"paths.data={own}", "test_sets=none")
    sweep = lic_evaluate(*start) / "evaluate"
    rows = read_rows(sweep)
    lic_evaluate(f"paths.data={photographs}", "test_sets=none")  # the same, elsewhere
    shutil.move(own / "food" / "0.png", own / "general" / "moved.png")
    with pytest.raises(PhotographsChangedError, match=r"1 gone, 0\.png"):
        lic_evaluate(*start)

    monkeypatch.delenv("HYDRA_FULL_ERROR")
    with pytest.raises(SystemExit):
        lic_evaluate("-m", *start)
    assert cli.main(["status", str(sweep)]) == 0

    shutil.rmtree(own / "food")
    lic_evaluate(*start)
    assert "are not here, its results stay" in capfd.readouterr().out
    assert read_rows(sweep).equals(rows)


def test_renamed_test_photographs_keep_the_references_point(lic_evaluate: Lic, own: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.pth.tar"
    save_state(build("mbt2018-mean", 1, N=8, M=12), weights)
    overrides = [f"paths.data={own}", "category=none", "reference=start", f"codec.weights={weights}"]
    overrides += [
        "test_sets=none",
        "+test_sets.mine={_target_: lic_lightning.data.FolderDataset, root: " + f"{own}/food}}",
    ]
    overrides += ["codec.N=null", "codec.M=null"]
    lic_evaluate(*overrides, "lmbda=0.0067")
    for index in range(8):
        (own / "food" / f"{index}.png").rename(own / "food" / f"holiday-{7 - index}.png")
    sweep = lic_evaluate(*overrides, "lmbda=0.0130") / "evaluate"
    assert len(list((sweep.parent / "reference").iterdir())) == 1, "the reference was evaluated once more"
    rows = read_rows(sweep)
    assert [(len(curve.rate), len(curve.images), curve.withheld) for curve in curves(rows)] == [(2, 8, ())] * 2
    latest = max(sweep.glob("*/results.parquet"), key=lambda path: path.stat().st_mtime)
    assert set(read_rows(latest)["image"]) == {f"holiday-{index}.png" for index in range(8)}


@pytest.mark.parametrize("name", ["a/../../../outside", "..", "x" * 300, "ü" * 200, ".hidden", ""])
def test_a_text_becomes_a_part_of_a_files_name_that_leads_nowhere(name: str) -> None:
    part = file_part(name)
    assert Path(part).parts == (part,)
    assert part[0] != "."
    assert len(part.encode()) <= 100
    assert part != file_part(name + "y")


@pytest.mark.parametrize("name", ["a/../../../outside", "ü" * 200])
def test_a_categorys_name_leads_nowhere_outside_the_runs_folder(name: str, lic_train: Lic, tmp_path: Path) -> None:
    before = {path for path in tmp_path.rglob("*") if "outputs" not in path.parts}
    output = lic_train("-m", f"category.name='{name}'", "lmbda=0.013")
    (cell,) = (path for path in (output / "main").iterdir() if (path / "results.parquet").is_file())
    assert len(list(cell.glob("comparison_*.png"))) == 1
    assert len(list(cell.glob("crops/*/0/crop.json"))) == 1
    assert list((output / "main" / "report" / "curves").glob("*.json"))
    assert {path.name for path in output.iterdir()} <= {"main", "reference"}
    assert {path for path in tmp_path.rglob("*") if "outputs" not in path.parts} == before
    shown, of = comparisons(output / "main", read_rows(output / "main"), 10)
    assert len(shown) == of == 2
