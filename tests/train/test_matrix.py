"""The matrix of configs: each codec, freeze policy, objective, trainer and logger runs on CPU with real bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from skimage.data import rocket

from lic_lightning.codecs.registry import names
from lic_lightning.evaluation.results import read_rows

Lic = Callable[..., Path]

SMALL = ("codec.N=8", "codec.M=12")
SIZES = {
    "cheng2020-anchor": ("codec.N=8",),
    "cheng2020-attn": ("codec.N=8",),
    "elic2022-official": ("codec.N=8", "codec.M=144"),
    "segpic": ("codec.N=16", "codec.M=32"),
}


def rows_of(output: Path) -> int:
    rows = read_rows(output)
    assert (rows["bytes"] > 0).all()
    return len(rows.filter(role="tuned"))


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("freeze", ["encoder_only", "none"])
def test_every_codec_trains_and_codes(lic_train: Lic, name: str, freeze: str) -> None:
    assert rows_of(lic_train("debug=fdr", f"freeze={freeze}", f"codec={name}", *SIZES.get(name, SMALL))) > 0


def test_debugging_has_a_folder_of_its_own_and_starts_anew_each_time(lic_train: Lic) -> None:
    output = lic_train("debug=fdr")
    (results,) = output.glob("*/*/results.parquet")
    assert results.parents[1].name == "debug"
    before = results.stat().st_mtime_ns
    lic_train("debug=fdr")
    assert results.stat().st_mtime_ns > before


@pytest.fixture
def kodak(photographs: Path, tmp_path: Path) -> str:
    """`paths.data` with both categories, and pictures of 64×64 under Kodak's names."""
    (tmp_path / "data" / "kodak").mkdir(parents=True)
    for category in photographs.iterdir():
        (tmp_path / "data" / category.name).symlink_to(category)
    for index in range(24):
        crop = rocket()[10 * index : 10 * index + 64, 100:164]
        Image.fromarray(crop).save(tmp_path / "data" / "kodak" / f"kodim{index + 1:02d}.png")
    return f"paths.data={tmp_path / 'data'}"


@pytest.mark.parametrize(
    "combination",
    [
        ("experiment=quickstart", "logger=none"),
        ("experiment=category_dependent/reduced", "test_sets=kodak"),
        ("reference=shipped", "test_sets=kodak", "category=general"),
        ("reference=none", "optimizer=sgd", "scheduler=step"),
    ],
    ids="-".join,
)
def test_experiments_references_and_test_sets_run(lic_train: Lic, kodak: str, combination: tuple[str, ...]) -> None:
    rows = read_rows(lic_train("debug=fdr", kodak, *combination))
    assert (rows["bytes"] > 0).all()
    assert len(rows.filter(role="tuned", test_set="kodak")) == (24 if "test_sets=kodak" in combination else 0)
    assert ("reference" in set(rows["role"])) == ("reference=none" not in combination)


@pytest.mark.parametrize("policy", ["decoder_only", "none"])
def test_policies_that_move_the_decoder_run(lic_train: Lic, policy: str) -> None:
    assert rows_of(lic_train("debug=fdr", f"freeze={policy}")) > 0


def test_the_ms_ssim_objective_trains(lic_train: Lic) -> None:
    assert rows_of(lic_train("debug=fdr", "objective=ms_ssim", "lmbda=16.64", "data.crop=192")) > 0


@pytest.mark.parametrize("trainer", ["mixed", "deterministic"])
def test_trainers_run(lic_train: Lic, trainer: str) -> None:
    assert rows_of(lic_train(f"trainer={trainer}", "trainer.accelerator=cpu")) > 0


@pytest.mark.parametrize("kind", ["csv", "tensorboard"])
def test_loggers_write_the_validation_loss(lic_train: Lic, kind: str) -> None:
    output = lic_train(f"logger={kind}")
    assert any(path.stat().st_size for path in output.glob(f"main/*/{kind}/**/*") if path.is_file())


def test_a_run_needs_no_logger(lic_train: Lic) -> None:
    assert rows_of(lic_train("logger=none")) > 0


def test_ddp_on_two_cpu_processes_is_one_run(tiny: tuple[str, ...], photographs: Path, tmp_path: Path) -> None:
    overrides = [override for override in tiny if override != "trainer=cpu"] + ["trainer=ddp_cpu"]
    environment = {
        **os.environ,
        "LIC_DATA": str(photographs),
        "LIC_OUTPUT": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "lic_lightning.commands.train", *overrides]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "num_processes: 2" in done.stderr.lower() or "2 processes" in done.stderr
    assert len(list(tmp_path.glob("main/*"))) == 1
    assert rows_of(tmp_path) == 2


def test_a_multirun_writes_one_folder_a_cell(lic_train: Lic) -> None:
    output = lic_train("-m", "debug=fdr", "lmbda=0.0130,0.0250", "category=food,general")
    assert len(list(output.glob("debug/*/results.parquet"))) == 4
    assert read_rows(output).filter(role="tuned")["curve"].n_unique() == 2
