"""`lic chain`: a recipe of several trainings, one multirun a stage, each run starting from one of the stage before."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lic_lightning.commands.request import command_parser
from lic_lightning.runs.run import RESULTS

if TYPE_CHECKING:  # `lic --help` must not wait for Hydra and torch
    from lic_lightning.runs.chain import Job, Stage

log = logging.getLogger("lic.chain")

DESCRIPTION = """\
Runs the stages of conf/chain/NAME.yaml in their order, in one sweep's folder; runs start from those of an earlier
stage. OVERRIDES hold for every stage and may sweep, as those of `lic train -m`; what a stage fixes for itself stays,
unless it is forced: ++KEY=VALUE. The same command again skips what is finished and goes on where it stopped. Where a
run failed, those that would start from it are named and not started; all others run, and the exit code is 1.
"""


def main(argv: list[str]) -> int:
    """Runs `lic chain` with its arguments; returns the exit code, 1 where a run has no results at the end."""
    parser = command_parser("chain", DESCRIPTION)
    parser.add_argument("name", metavar="NAME", help="of a recipe: conf/chain/NAME.yaml")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDES", help="KEY=VALUE or KEY=VALUE,VALUE")
    parser.add_argument("--plan", action="store_true", help="tell cells, steps, hours and disk; run nothing")
    parser.add_argument(
        "--json", action="store_true", help="with --plan: a list of objects, and nothing else, on stdout"
    )
    arguments = parser.parse_intermixed_args(argv)
    jobs = read_chain(arguments.name, arguments.overrides)
    if not arguments.plan:
        return run(jobs)
    from lic_lightning.commands.plan import tell

    tell(((job.cell, _as_it_trains(job), job.first.config) for job in jobs), arguments.json)
    return 0


def _as_it_trains(job: Job) -> Any:
    from omegaconf import OmegaConf

    evaluates = job.stage.command == "evaluate"
    return OmegaConf.merge(job.config, {"trainer": {"max_steps": 0}}) if evaluates else job.config


def read_chain(name: str, overrides: Sequence[str]) -> list[Job]:
    """The runs of a recipe under what is asked for, stage by stage.

    Raises:
        ChainError: there is no such recipe, or it can't be followed.
    """
    from hydra import initialize_config_dir
    from hydra.errors import HydraException

    from lic_lightning.runs.chain import ChainError, jobs_of, read_stages
    from lic_lightning.runs.identity import CONF
    from lic_lightning.runs.job import cause

    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return jobs_of(read_stages(name, overrides))
    except HydraException as error:
        raise ChainError(str(cause(error))) from error


def run(jobs: Sequence[Job]) -> int:
    """One multirun a stage; one whose runs are all finished is skipped, but for the last, which reports.

    Returns:
        1 where a run has no results at the end.
    """
    from lic_lightning.runs.cells import write_plan

    sweep = Path(jobs[0].config.paths.output) / jobs[0].config.sweep
    write_plan(sweep, [job.cell for job in jobs])
    stages = list(dict.fromkeys(job.stage for job in jobs))
    for stage in stages:
        for override in stage.kept:
            log.warning("stage %s keeps its own value: ++%s would change it there too", stage.name, override)
        ready = []
        for job in jobs:
            if job.stage != stage or _has_results(sweep, job):
                continue
            if job.start and not _has_results(sweep, job.start):
                log.error("cell %s is not started: %s, which it starts from, has no results", *_names(job, job.start))
            else:
                ready.append(list(job.cell.overrides))
        if ready or stage == stages[-1]:
            _multirun(stage, ready)
    return int(not all(_has_results(sweep, job) for job in jobs))


def _has_results(sweep: Path, job: Job) -> bool:
    return (sweep / job.cell.name / RESULTS).is_file()


def _names(*jobs: Job) -> tuple[str, ...]:
    return tuple(f"{job.cell.name} ({job.stage.name}, lmbda={job.config.lmbda:g})" for job in jobs)


def _multirun(stage: Stage, jobs: list[list[str]]) -> None:
    """As Hydra's multirun of the stage's command, but over these jobs instead of a product of values.

    In this process: what ends it ends its training. A failed job ends no chain.
    """
    from hydra import initialize_config_dir
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext, RunMode

    from lic_lightning.runs.identity import CONF

    module = importlib.import_module(f"lic_lightning.commands.{stage.command}")
    sys.argv[:] = [str(module.__file__)]  # what DDP starts its other processes with
    with initialize_config_dir(str(CONF), version_base="1.3", job_name=stage.command):
        hydra: Any = GlobalHydra.instance().hydra
        config = hydra.compose_config(
            stage.command, list(stage.overrides), RunMode.MULTIRUN, with_log_configuration=True
        )
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
        if jobs:
            launcher = Plugins.instance().instantiate_launcher(
                hydra_context=context, task_function=module.main.__wrapped__, config=config
            )
            launcher.launch(jobs, initial_job_idx=0)
        try:
            context.callbacks.on_multirun_end(config=config, config_name=stage.command)
        except SystemExit as failed:  # named by then
            if failed.code != 1:
                raise
