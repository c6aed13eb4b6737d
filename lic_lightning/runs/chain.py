"""A chain: a recipe of several trainings, where a stage's runs start from the runs of the stages before it.

conf/chain/NAME.yaml + what is asked for ─► stages ─► jobs, each with the run that it starts from
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lic_lightning.runs.cells import Cell
from lic_lightning.runs.grid import cell_of, grid
from lic_lightning.runs.identity import STAGE

SETTING = re.compile(r"\$\{([\w.]+)\}")


class ChainError(ValueError):
    """A recipe that can't be followed; the message names the stage and says why."""


@dataclass(frozen=True)
class Stage:
    """One training of a recipe.

    Attributes:
        command: a subcommand of `lic` whose config it is.
        overrides: that make its multirun, what was asked for included.
        starts: settings that name the run of another stage, with its name, in which `${lmbda}` may stand.
        kept: what was asked for, but the stage fixes.
    """

    name: str
    command: str
    overrides: tuple[str, ...]
    starts: tuple[tuple[str, str], ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """One run of a chain.

    Attributes:
        cell: its overrides name the run that it starts from.
        config: that they compose.
        values: of its overrides, by key.
        start: the job that it starts from.
    """

    stage: Stage
    cell: Cell
    config: DictConfig
    values: dict[str, Any]
    start: Job | None = None

    @property
    def first(self) -> Job:
        """The job that the chain to this one begins with, whose weights are there before any has run."""
        return self.start.first if self.start else self


def read_stages(name: str, asked: Sequence[str]) -> list[Stage]:
    """The stages of conf/chain/NAME.yaml in their order; Hydra must be initialized.

    What is asked for holds in every stage, also where the recipe's common `overrides` say otherwise. What a stage's own
    list fixes to one value stays, unless it is forced: `++KEY=VALUE`.

    Raises:
        ChainError: a recipe without stages; something asked for that no stage takes.
        HydraException: no such recipe, or overrides that don't parse.
    """
    recipe = GlobalHydra.instance().config_loader().load_configuration("train", [f"chain={name}"], RunMode.RUN).chain
    written: Any = OmegaConf.to_container(recipe, resolve=False)
    if not written.get("stages"):
        raise ChainError(f"conf/chain/{name}.yaml has no stages")
    common = [f"chain={name}", f"sweep={name}", *written.get("overrides", [])]
    stages = [_stage(stage, common, list(own), asked) for stage, own in written["stages"].items()]
    for override in set.intersection(*(set(stage.kept) for stage in stages)):
        raise ChainError(f"every stage of {name} fixes what {override} asks for: ++{override} has its way")
    return stages


def jobs_of(stages: Sequence[Stage]) -> list[Job]:
    """The runs of the stages, stage by stage, each once; Hydra must be initialized.

    Raises:
        ChainError: a stage starts from one that doesn't come before it, or it isn't clear from which of its runs.
        HydraException: overrides that don't compose.
    """
    loader = GlobalHydra.instance().config_loader()
    jobs: dict[str, list[Job]] = {}
    for stage in stages:
        config = loader.load_configuration(stage.command, list(stage.overrides), RunMode.MULTIRUN)
        jobs[stage.name] = []
        for cell, cfg in grid(config):
            chosen = {_key(override): override for override in _parsed(cell.overrides)}  # the last of each key
            values = {key: override.value() for key, override in chosen.items()}
            overrides = [str(override.input_line) for override in chosen.values()]
            start = None
            for key, named in stage.starts:
                start = _start(stage.name, values, _told(named, cfg), jobs)
                # The second says whose points make a curve: runs that start from the same place in the recipe
                overrides.append(f"{key}='{STAGE}run:{start.cell.name},{SETTING.sub('*', named)}}}'")
            cfg = loader.load_sweep_config(config, overrides) if start else cfg
            jobs[stage.name].append(Job(stage, cell_of(overrides, cfg), cfg, values, start))
    return [job for of_stage in jobs.values() for job in of_stage]


def _stage(name: str, common: Sequence[str], own: list[str], asked: Sequence[str]) -> Stage:
    command = own.pop(0).removeprefix("lic ") if own and own[0].startswith("lic ") else "train"
    # Apart, as Hydra's grammar knows no nested interpolations
    starts = [(key, value.removeprefix(STAGE)[:-1]) for key, _, value in (o.partition("=") for o in own if STAGE in o)]
    own_overrides = _parsed([f"stage={name}", *(override for override in own if STAGE not in override)])
    fixed = {_key(override) for override in own_overrides if not override.is_sweep_override()}
    merged = {_key(override): override for override in [*_parsed(common), *own_overrides]}
    kept = []
    for override in _parsed(asked):
        if _key(override) not in fixed or override.type == OverrideType.FORCE_ADD:
            merged[_key(override)] = override
        else:
            kept.append(str(override.input_line))
    overrides = tuple(_written(override) for override in merged.values())
    return Stage(name, command, overrides, tuple(starts), tuple(kept))


def _start(stage: str, values: dict[str, Any], before: str, jobs: dict[str, list[Job]]) -> Job:
    """The run of the stage `before` that agrees with `values` in all that differs between that stage's runs."""
    if not jobs.get(before):
        raise ChainError(f"stage {stage} starts from {before!r}, which is no stage before it")
    runs = jobs[before]
    swept = [key for key in runs[0].values if len({str(run.values[key]) for run in runs}) > 1]
    alike = [run for run in runs if all(run.values[key] == values[key] for key in swept if key in values)]
    if len(alike) != 1:
        raise ChainError(
            f"stage {stage} could start from {len(alike)} runs of stage {before}, which differ in "
            f"{', '.join(swept)}: sweep {stage} over the same values"
        )
    return alike[0]


def _told(named: str, cfg: DictConfig) -> str:
    """A stage's name with the settings in it filled in."""
    return SETTING.sub(lambda setting: str(OmegaConf.select(cfg, setting[1])), named)


def _parsed(overrides: Sequence[str]) -> list[Override]:
    return OverridesParser.create(GlobalHydra.instance().config_loader()).parse_overrides(list(overrides))


def _key(override: Override) -> str:
    return override.key_or_group + (f"@{override.package}" if override.package else "")


def _written(override: Override) -> str:
    """A setting of the top is forced by coming last; `++` would add it."""
    line = str(override.input_line)
    return line.removeprefix("++") if "." not in override.key_or_group else line
