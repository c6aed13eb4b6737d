"""Sweeps under Hydra's launchers and sweepers: the same cells, skipped when finished, failures named at the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from lic_lightning.runs.folder import run_folders
from lic_lightning.runs.identity import CONF

Lic = Callable[..., Path]

LAUNCHERS = {
    "basic": [],
    "joblib": ["hydra.launcher.n_jobs=2"],
    "submitit_local": ["hydra.launcher.timeout_min=10"],
    "ray": ["+hydra.launcher.ray.init.num_cpus=2", "+hydra.launcher.ray.remote.num_cpus=1"],
}
EXTRAS = {"joblib": "joblib", "submitit_local": "slurm", "ray": "ray", "optuna": "optuna"}
PLUGINS = {"joblib": "joblib", "submitit_local": "submitit", "ray": "ray", "optuna": "optuna"}


def needs(name: str, kind: str) -> None:
    if name in PLUGINS and find_spec(f"hydra_plugins.hydra_{PLUGINS[name]}_{kind}") is None:
        pytest.skip(f"the extra {EXTRAS[name]!r} is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_sweep_under_a_launcher(
    lic_train: Lic, launcher: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needs(launcher, "launcher")
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    overrides = ("-m", f"hydra/launcher={launcher}", *LAUNCHERS[launcher])
    sweep = tmp_path / "outputs" / "main"
    with pytest.raises(SystemExit):
        lic_train(*overrides, "lmbda=-1,0.0067")
    failed, done = run_folders(sweep)
    assert (failed.state, failed.error) == ("failed", "ValueError: lmbda must be positive, got -1")
    assert done.state == "done"
    assert failed.name in (sweep / "report" / "bd_rate.md").read_text()

    results = sweep / done.name / "results.parquet"
    before = results.stat().st_mtime_ns
    with pytest.raises(SystemExit):  # for the cell that still stands failed
        lic_train(*overrides, "lmbda=0.0067")
    assert results.stat().st_mtime_ns == before
    assert len(run_folders(sweep)) == 2


def test_the_slurm_config_asks_for_what_it_says() -> None:
    """Composed only: nothing here is a SLURM cluster."""
    needs("submitit_local", "launcher")
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", ["hydra/launcher=slurm", "hydra.launcher.partition=gpu"], return_hydra_config=True)
    launcher = cfg.hydra.launcher
    assert launcher._target_.endswith("SlurmLauncher")
    assert (launcher.partition, launcher.gpus_per_node, launcher.max_num_timeout) == ("gpu", 1, 100)


@pytest.mark.slow
def test_optuna_minimizes_the_validation_loss_and_goes_on_from_finished_trials(lic_train: Lic, tmp_path: Path) -> None:
    needs("optuna", "sweeper")
    sweep = tmp_path / "outputs" / "optuna"
    for trials in (2, 3):
        lic_train("-m", "experiment=optuna", "data.batch_size=choice(1,2)", f"hydra.sweeper.n_trials={trials}")
        runs = sorted(sweep.glob("*/results.parquet"), key=lambda path: path.stat().st_mtime_ns)
        assert len(runs) == trials, "a finished trial was not asked for again"
    losses = [json.loads(run.with_name("progress.json").read_text())["val_loss"] for run in runs]
    assert OmegaConf.load(sweep / "optimization_results.yaml").best_value == pytest.approx(min(losses))


def test_the_command_of_a_wandb_agent_trains_and_logs_what_the_sweep_judges(lic_train: Lic) -> None:
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    sweep = yaml.safe_load((CONF / "wandb_sweep.yaml").read_text())
    trial = {"lmbda": {"value": 0.013}, "optimizer.lr": {"value": 3.1e-05}, "data.batch_size": {"value": 8}}
    assert trial.keys() == sweep["parameters"].keys()
    lic, train, *overrides = create_sweep_command(sweep["command"])
    assert (lic, train, overrides.pop()) == ("lic", "train", "${args_no_hyphens}")
    overrides += create_sweep_command_args({"args": trial})["args_no_hyphens"]

    (run,) = (path.parent for path in lic_train(*overrides).glob("wandb/*/results.parquet"))
    cfg = OmegaConf.load(run / "config.yaml")
    assert (cfg.lmbda, cfg.optimizer.lr, cfg.data.batch_size) == (0.013, 3.1e-05, 8)
    (log,) = run.glob("wandb/offline-run-*/run-*.wandb")
    assert sweep["metric"]["name"].encode() in log.read_bytes()
