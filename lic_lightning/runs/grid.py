"""The grid of a multirun: each cell with its config, composed as the jobs will compose it."""

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import filter_overrides
from omegaconf import DictConfig, OmegaConf

from lic_lightning.runs.cells import Cell
from lic_lightning.runs.identity import cell_id, curve_id

Grid = list[tuple[Cell, DictConfig]]


def grid(config: DictConfig) -> Grid:
    """The cells of a multirun, each once, with their configs.

    Args:
        config: of the multirun, as Hydra's callbacks get it; Hydra must be initialized.

    Returns:
        Nothing where the sweeper chooses cells as it goes, as Optuna does.
    """
    if config.hydra.sweeper._target_ != f"{BasicSweeper.__module__}.{BasicSweeper.__name__}":
        return []
    loader = GlobalHydra.instance().config_loader()
    written: Any = OmegaConf.to_container(config.hydra, resolve=False)  # `${lmbda}` is for each job to resolve
    params = [f"{key}={value}" for key, value in (written["sweeper"].get("params") or {}).items()]
    overrides = OverridesParser.create(loader).parse_overrides([*params, *written["overrides"]["task"]])
    (jobs,) = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    cells = [(cell_of(job, cfg), cfg) for job in jobs for cfg in [loader.load_sweep_config(config, job)]]
    return list({cell.name: (cell, cfg) for cell, cfg in cells}.values())


def cell_of(overrides: Sequence[str], cfg: DictConfig) -> Cell:
    """The cell that overrides make, with the config that they compose."""
    return Cell(cell_id(cfg), tuple(filter_overrides(overrides)), curve_id(cfg), cfg.codec.name)
