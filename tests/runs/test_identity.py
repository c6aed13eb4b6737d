"""What a run is: weights count by content, callbacks by what they do, and two runs never share a point."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from lic_lightning.codecs.registry import build
from lic_lightning.codecs.weights import save_state
from lic_lightning.evaluation.results import read_rows
from lic_lightning.runs.identity import CONF, cell_id, curve_id, reference_id, refined_curve_id, run_of

Lic = Callable[..., Path]


def config(*overrides: str, name: str = "train") -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(name, overrides=list(overrides))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files of weights of one architecture, other values in each."""
    paths = [tmp_path / "a.pth.tar", tmp_path / "b.pth.tar"]
    for path in paths:
        save_state(build("mbt2018-mean", 1, N=8, M=12), path)
    return paths


@pytest.mark.parametrize("key", ["codec.weights", "reference.codec.weights", "+head.weights", "+objective.teacher"])
@pytest.mark.parametrize("written", ["{}/w.pth.tar", "${{paths.data}}/w.pth.tar", "{}/${{lmbda}}.pth.tar"])
def test_a_file_overwritten_under_the_same_path_makes_another_cell(key: str, written: str, tmp_path: Path) -> None:
    overrides = ["lmbda=0.5", "reference=shipped", f"paths.data={tmp_path}", f"{key}={written.format(tmp_path)}"]
    cells = []
    for content in (b"one", b"another"):
        for name in ("w", "0.5"):
            (tmp_path / f"{name}.pth.tar").write_bytes(content)
        cells.append(cell_id(config(*overrides)))
    assert len(set(cells)) == 2


def test_weights_moved_to_another_path_are_the_same_cell(tmp_path: Path, files: list[Path]) -> None:
    moved = tmp_path / "elsewhere.pth.tar"
    moved.write_bytes(files[0].read_bytes())
    here, there = (config(f"codec.weights={path}") for path in (files[0], moved))
    assert cell_id(here) == cell_id(there)


def test_a_run_counts_as_its_cell_wherever_its_folder_is() -> None:
    short, long, other = (config(f"codec.weights=run:{name}") for name in ("0123", "pretrain/0123", "4567"))
    assert cell_id(short) == cell_id(long) != cell_id(other)
    assert run_of(long, Path()).weights == "run:0123"


def test_what_is_coded_under_another_padding_is_another_point_and_another_reference() -> None:
    default, zeros = config(), config("evaluation.padding=zeros")
    for identity in (cell_id, curve_id, reference_id):
        assert identity(default) != identity(zeros)


def test_what_is_refined_is_another_point_against_the_same_reference() -> None:
    plain, refined = config(), config("refine=fast")
    assert cell_id(plain) != cell_id(refined)
    assert curve_id(plain) == curve_id(refined), "what is analysed is the same"
    assert refined_curve_id(refined) not in ("", curve_id(refined), refined_curve_id(config("refine=medium")))
    assert refined_curve_id(plain) == ""
    assert reference_id(plain) == reference_id(refined)


def test_a_reference_may_have_a_padding_of_its_own() -> None:
    own, zeros = config("reference=shipped_zeros"), config("reference=shipped", "evaluation.padding=zeros")
    assert run_of(own, Path()).reference_padding == "zeros"
    assert run_of(own, Path()).reference_name == "mbt2018-mean shipped zeros (reference)"
    assert run_of(zeros, Path()).reference_name == "mbt2018-mean shipped (reference)"
    assert reference_id(own) == reference_id(zeros) != reference_id(config("reference=shipped"))
    assert curve_id(own) != curve_id(zeros)


def test_another_analysis_is_another_point_against_the_same_reference() -> None:
    own, phone = config(), config("codec.analysis=phone")
    assert cell_id(own) != cell_id(phone)
    assert curve_id(own) != curve_id(phone)
    assert reference_id(own) == reference_id(phone)


def test_runs_from_before_analyses_could_be_chosen_keep_their_names() -> None:
    now = config()
    before = now.copy()
    OmegaConf.set_struct(before, False)
    del before.codec.analysis
    for identity in (cell_id, curve_id, reference_id):
        assert identity(now) == identity(before)


def test_one_file_a_lambda_is_one_curve_and_two_files_are_two(tmp_path: Path, files: list[Path]) -> None:
    sweep = [config(f"codec.weights={tmp_path}/${{lmbda}}.pth.tar", f"lmbda={lmbda}") for lmbda in (0.1, 0.2)]
    assert curve_id(sweep[0]) == curve_id(sweep[1])
    assert reference_id(sweep[0]) == reference_id(sweep[1])
    literal = [config(f"codec.weights={path}") for path in files]
    assert curve_id(literal[0]) != curve_id(literal[1])
    assert [run_of(cfg, Path()).curve_name for cfg in literal] == [f"mbt2018-mean food encoder_only {n}" for n in "ab"]
    assert run_of(sweep[0], Path()).curve_name == "mbt2018-mean food encoder_only"


def test_runs_that_start_from_a_stage_of_a_chain_are_called_by_it() -> None:
    started = config("codec.weights='${lic.stage:run:0123456789ab,pretrained_*}'")
    assert run_of(started, Path()).curve_name == "mbt2018-mean food encoder_only pretrained_*"


@pytest.mark.parametrize(
    "callback",
    [
        "{_target_: pytorch_lightning.callbacks.StochasticWeightAveraging, swa_lrs: 0.01}",
        "{_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: val/loss}",
        "{_target_: somebody.EMA, decay: 0.99}",
    ],
)
def test_a_callback_that_changes_weights_makes_another_cell(callback: str) -> None:
    assert cell_id(config()) != cell_id(config(f"+callbacks.more={callback}"))


def test_what_chooses_the_best_weights_is_part_of_the_cell() -> None:
    assert cell_id(config()) != cell_id(config("callbacks.checkpoint.monitor=val/bpp"))
    assert cell_id(config()) != cell_id(config("callbacks.checkpoint=null"))


@pytest.mark.parametrize("name", ["guard", "freeze_table", "validation_line", "progress_bar", "learning_rate"])
def test_a_callback_that_only_watches_is_no_part_of_the_cell(name: str) -> None:
    assert cell_id(config()) == cell_id(config(f"callbacks.{name}=null"))
    more = "{_target_: pytorch_lightning.callbacks.DeviceStatsMonitor}"
    assert cell_id(config()) == cell_id(config(f"+callbacks.more={more}"))


def test_two_files_of_weights_at_one_lambda_are_two_curves_with_a_row_each(
    lic_evaluate: Lic, files: list[Path]
) -> None:
    several = ",".join(map(str, files))
    output = lic_evaluate(
        "-m", f"codec.weights={several}", "lmbda=0.013", "test_sets=none", "codec.N=null", "codec.M=null"
    )
    rows = read_rows(output / "evaluate")
    assert rows["cell"].n_unique() == rows["curve"].n_unique() == rows["weights"].n_unique() == 2
    with (output / "evaluate" / "report" / "rd_points.csv").open() as file:
        points = list(csv.DictReader(file))
    assert [point["name"].split()[-1] for point in points] == ["a", "b"]
    assert len({point["weights"] for point in points}) == 2
