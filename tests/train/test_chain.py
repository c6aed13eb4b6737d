"""Chains: each stage starts from the runs of another, sweeps go through all of them, and a killed one goes on."""

from __future__ import annotations

import json
import multiprocessing.process
import os
import random
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from test_resume import assert_equal, ended, servers

from lic_lightning import cli
from lic_lightning.commands.chain import read_chain
from lic_lightning.runs.chain import ChainError
from lic_lightning.runs.folder import run_folders
from lic_lightning.runs.identity import CONF

RECIPE = """\
overrides: [codec.weights=none]
stages:
  base: [freeze=none, reference=none, lmbda=0.0130, category=general]
  neighbour: [freeze=none, reference=none, 'lmbda=0.0067,0.0130', category=general, 'codec.weights=${lic.stage:base}']
  encoder: ['codec.weights=${lic.stage:neighbour}']
"""


@pytest.fixture(autouse=True)
def environment(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe in a folder of the user's own."""
    (tmp_path / "conf" / "chain").mkdir(parents=True)
    (tmp_path / "conf" / "chain" / "recipe.yaml").write_text(RECIPE)
    for name, value in (("DATA", photographs), ("OUTPUT", tmp_path / "outputs"), ("CONF", tmp_path / "conf")):
        monkeypatch.setenv(f"LIC_{name}", str(value))


def starts(jobs: Sequence) -> list[tuple[str, float, str | None, float | None]]:
    return [
        (job.stage.name, job.config.lmbda, job.start and job.start.stage.name, job.start and job.start.config.lmbda)
        for job in jobs
    ]


def test_a_run_starts_from_the_run_that_agrees_in_what_is_swept_and_a_base_serves_every_lmbda() -> None:
    jobs = read_chain("recipe", ["lmbda=0.0067,0.0130"])
    assert starts(jobs) == [
        ("base", 0.0130, None, None),
        ("neighbour", 0.0067, "base", 0.0130),
        ("neighbour", 0.0130, "base", 0.0130),
        ("encoder", 0.0067, "neighbour", 0.0067),
        ("encoder", 0.0130, "neighbour", 0.0130),
    ]
    *_, low, high = jobs
    assert low.cell.curve == high.cell.curve
    assert low.cell.name != high.cell.name


def test_a_cell_includes_the_run_that_it_starts_from() -> None:
    (*_, encoder), (*_, other) = (read_chain("recipe", ["lmbda=0.0130", step]) for step in (
        "trainer.max_epochs=2", "optimizer.lr=1e-3"))  # fmt: skip
    assert encoder.cell.name != other.cell.name
    (base, _, tuned), (longer, _, after) = (
        [read_chain("recipe", ["lmbda=0.0130", *steps])[index] for index in (0, 2, -1)]
        for steps in ([], ["++category=food"])
    )
    assert base.cell.name != longer.cell.name
    assert tuned.cell.name != after.cell.name


def test_what_a_stage_fixes_stays_unless_it_is_forced() -> None:
    categories = [[job.config.category.name for job in read_chain("recipe", ["lmbda=0.0130", asked])] for asked in (
        "category=food", "++category=food")]  # fmt: skip
    assert categories == [["general", "general", "food"], ["food", "food", "food"]]
    with pytest.raises(ChainError, match=r"every stage of shipped_reference fixes what codec.M=12 asks for: \+\+codec"):
        read_chain("shipped_reference", ["codec.M=12"])


@pytest.mark.parametrize("name", [path.stem for path in (CONF / "chain").glob("*.yaml")])
def test_every_recipe_composes(name: str) -> None:
    jobs = read_chain(name, [])
    assert len({job.cell.name for job in jobs}) == len(jobs)


def test_a_stage_must_come_before_the_one_that_starts_from_it(tmp_path: Path) -> None:
    (tmp_path / "conf" / "chain" / "loop.yaml").write_text("stages: {a: ['codec.weights=${lic.stage:b}'], b: []}")
    with pytest.raises(ChainError, match="stage a starts from 'b', which is no stage before it"):
        read_chain("loop", [])


def test_a_recipe_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["chain", "nothing"]) == cli.USAGE
    assert "nothing" in capsys.readouterr().err


def test_what_starts_from_a_failed_run_is_named_and_not_started_and_the_rest_goes_on(
    tiny: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    recipe = RECIPE.replace("'lmbda=0.0067,0.0130'", "'lmbda=-1,0.0130'")
    (tmp_path / "conf" / "chain" / "recipe.yaml").write_text(recipe)
    asked = [override for override in tiny if not override.startswith("codec.weights")]
    assert cli.main(["chain", "recipe", *asked, "lmbda=-1,0.0130"]) == 1
    sweep = tmp_path / "outputs" / "recipe"
    assert [run.state for run in run_folders(sweep)] == ["done", "failed", "done", "missing", "done"]
    _, failed, _, missing, _ = run_folders(sweep)
    told = "".join(capfd.readouterr())
    assert re.search(rf"cell {missing.name} \(.*\) is not started: {failed.name} \(neighbour, lmbda=-1\)", told)

    assert cli.main(["status", str(sweep)]) == 0
    table = capfd.readouterr().out
    assert all(stage in table for stage in ("base", "neighbour", "encoder"))
    assert cli.main(["chain", "recipe", *asked, "lmbda=0.0130", "--plan", "--json"]) == 0
    planned = json.loads(capfd.readouterr().out)
    assert [cell["done"] for cell in planned] == [True, True, True]
    assert cli.main(["chain", "recipe", *asked, "lmbda=0.0250", "--plan", "--json"]) == 0
    planned = json.loads(capfd.readouterr().out)
    assert all(cell["disk"] > 0 and cell["steps"] > 0 for cell in planned)
    assert cli.main(["chain", "recipe", *asked, "lmbda=0.0250", "paths.data=/nowhere", "--plan"]) == 2
    assert re.search(r"^lic: .*\bnot found at /nowhere.*$", capfd.readouterr().err.strip().splitlines()[-1])


def lic(arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    """`lic` in a process of its own."""
    import torch

    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    raise SystemExit(cli.main(list(arguments)))


@pytest.mark.slow
def test_the_chain_of_the_shipped_reference_killed_at_random_ends_as_if_it_had_not_been(
    tiny: tuple[str, ...], photographs: Path, tmp_path: Path
) -> None:
    kept = [override for override in tiny if not override.startswith(("codec.", "category", "trainer.max_epochs"))]
    asked = (
        "category=food",
        "codec.N=8",
        "++codec.M=12",
        "++trainer.max_steps=4",
        "data.epoch_size=4",
        "test_sets=none",
    )

    def start(output: Path) -> multiprocessing.process.BaseProcess:
        environment = {"LIC_DATA": str(photographs), "LIC_OUTPUT": str(output), "OMP_NUM_THREADS": "1"}
        process = servers.Process(target=lic, args=(("chain", "shipped_reference", *kept, *asked), environment))
        process.start()
        return process

    assert ended(start(tmp_path / "whole")) == 0
    moments, cut = random.Random(0), tmp_path / "cut" / "shipped_reference"
    for done in (1, 5, 9):
        process = start(tmp_path / "cut")
        while process.is_alive() and len(list(cut.glob("*/results.parquet"))) < done:
            time.sleep(0.05)
        time.sleep(moments.random())
        process.kill()
        process.join()
    assert ended(start(tmp_path / "cut")) == 0
    assert len(list(cut.glob("*/results.parquet"))) == 12
    assert_equal(cut, tmp_path / "whole" / "shipped_reference")


def test_the_plan_of_a_stage_that_evaluates_has_no_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["chain", "quickstart", "lmbda=0.0130", "category=demo_nature", "--plan", "--json"]) == 0
    steps = {
        cell["overrides"].partition("stage=")[2].split()[0]: cell["steps"]
        for cell in json.loads(capsys.readouterr().out)
    }
    assert steps == {"padding": 0, "encoder": 100}
