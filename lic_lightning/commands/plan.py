"""`lic plan`: a dry run of `lic train`: cells, steps, estimated hours and disk. Trains nothing and writes nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lic_lightning.commands.request import RequestError, command_parser
from lic_lightning.runs.folder import RunFolder
from lic_lightning.runs.progress import PROGRESS

if TYPE_CHECKING:  # `lic --help` must not wait for Hydra and torch
    from omegaconf import DictConfig

    from lic_lightning.runs.cells import Cell

DESCRIPTION = """\
What `lic train` would do with the same overrides: the cells and which of them are done, their steps, hours and disk.
Weights and photographs are opened, so that what is missing is said now. Hours come from the step times of finished
or running runs under paths.output with the same codec, crop, batch and hardware (nearest λ), training only; without
one they are unknown: run one cell first. Disk is two checkpoints with Adam's state and the weights.
"""
# What a step's time depends on, beside the codec's size
WORKLOAD = (
    "codec.name", "codec.N", "codec.M", "codec.analysis", "module._target_", "freeze.name", "objective.name",
    "data.crop", "data.batch_size", "channels_last", "compile", "trainer.accelerator", "trainer.devices",
    "trainer.precision",
)  # fmt: skip
COPIES = 3  # last.ckpt, best.ckpt and codec.safetensors; the first two with Adam's two moments
NEWEST = 100  # runs whose step times are looked at


@dataclass(frozen=True)
class Planned:
    """A cell of a dry run.

    Attributes:
        overrides: what makes it, in one line.
        done: it has its results and would be skipped.
        steps: optimizer steps from the beginning.
        hours: of them; None where no step time is known.
        disk: bytes.
    """

    cell: str
    overrides: str
    done: bool
    steps: int
    hours: float | None
    disk: int


def main(argv: list[str]) -> int:
    """Runs `lic plan` with its arguments; returns 0."""
    parser = command_parser("plan", DESCRIPTION)
    parser.add_argument("overrides", nargs="*", help="as `lic train` takes them")
    parser.add_argument("-m", "--multirun", action="store_true", help="sweep over comma-separated values")
    parser.add_argument("--json", action="store_true", help="print a list of objects, and nothing else, on stdout")
    arguments = parser.parse_intermixed_args(argv)
    tell(((cell, cfg, cfg) for cell, cfg in _cells(arguments.overrides, arguments.multirun)), arguments.json)
    return 0


def tell(cells: Iterable[tuple[Cell, DictConfig, DictConfig]], as_json: bool) -> None:
    """Prints what cells would cost; see `planned`.

    Raises:
        RequestError: the overrides don't compose, their sweeper chooses cells as it goes, or weights or photographs
            are missing or unfit.
    """
    from hydra.errors import HydraException

    from lic_lightning.runs.job import cause

    try:
        found = planned(list(cells))
    except HydraException as error:
        raise RequestError(str(cause(error))) from error
    if as_json:
        print(json.dumps([asdict(cell) for cell in found], indent=2))
    else:
        print_plan(found)


def planned(cells: Sequence[tuple[Cell, DictConfig, DictConfig]]) -> list[Planned]:
    """What cells cost: each with its config, and with that of the run at whose weights its sizes can be seen."""
    measured = _measured(Path(cells[0][1].paths.output))
    return [_planned(cell, cfg, start, measured) for cell, cfg, start in cells]


def _cells(overrides: list[str], multirun: bool) -> Iterator[tuple[Cell, DictConfig]]:
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    from lic_lightning.runs.grid import cell_of, grid
    from lic_lightning.runs.identity import CONF

    with initialize_config_dir(str(CONF), version_base="1.3"):
        mode = RunMode.MULTIRUN if multirun else RunMode.RUN
        config = GlobalHydra.instance().config_loader().load_configuration("train", overrides, mode)
        if not multirun:
            yield cell_of(overrides, config), config
        elif cells := grid(config):
            yield from cells
        else:
            raise RequestError(f"{config.hydra.sweeper._target_} chooses cells as it goes: there is no list of them")


def _planned(cell: Cell, cfg: DictConfig, start: DictConfig, measured: Sequence[Measured]) -> Planned:
    from omegaconf import OmegaConf

    steps, seconds = _steps(cfg), _seconds_per_step(cfg, measured)
    codec, freeze = (OmegaConf.to_yaml(part, resolve=True) for part in (start.codec, cfg.freeze))
    return Planned(
        cell=cell.name,
        overrides=" ".join(cell.overrides),
        done=RunFolder(Path(cfg.paths.output) / cfg.sweep / cell.name).state == "done",
        steps=steps,
        hours=None if seconds is None else steps * seconds / 3600,
        disk=_disk(codec, freeze),
    )


def _steps(cfg: DictConfig) -> int:
    """Optimizer steps of a run, as Lightning counts them."""
    from omegaconf import OmegaConf

    trainer = cfg.trainer
    if trainer.get("fast_dev_run"):
        return 1
    bounds = [trainer.max_steps] if trainer.max_steps >= 0 else []
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        samples = math.ceil(_samples(OmegaConf.to_yaml(cfg.data, resolve=True)) / _processes(trainer))
        batches = max(samples // cfg.data.batch_size, 1)
        bounds.append(trainer.max_epochs * math.ceil(batches / trainer.get("accumulate_grad_batches", 1)))
    if not bounds:
        raise RequestError("trainer.max_steps and trainer.max_epochs are both unlimited: training has no end")
    return min(bounds)


def _processes(trainer: DictConfig) -> int:
    import torch

    if not str(trainer.get("strategy", "auto")).startswith("ddp"):
        return 1
    devices = trainer.devices if isinstance(trainer.devices, int) and trainer.devices > 0 else torch.cuda.device_count()
    return max(devices, 1) * trainer.get("num_nodes", 1)


@cache
def _samples(data: str) -> int:
    """Training samples of an epoch; the photographs are listed, not decoded."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    module = instantiate(OmegaConf.create(data), cache=False, workers=0, on_corrupt="error")
    return len(module.train_dataloader().sampler)


@cache
def _disk(codec: str, freeze: str) -> int:
    """Bytes that a run leaves, but for logs and pictures."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from lic_lightning.codecs.registry import spec

    cfg = OmegaConf.create(codec)
    network = instantiate(cfg)
    instantiate(OmegaConf.create(freeze)).apply(network, spec(cfg.name).roles)
    weights = sum(tensor.nbytes for tensor in network.state_dict().values())
    trained = sum(parameter.nbytes for parameter in network.parameters() if parameter.requires_grad)
    return COPIES * weights + 2 * 2 * trained


Measured = tuple[dict[str, Any], float, float]  # workload, λ, seconds per step


def _measured(output: Path) -> list[Measured]:
    """Step times of the newest runs under a folder of sweeps."""
    newest = sorted(output.glob(f"*/*/{PROGRESS}"), key=lambda path: path.stat().st_mtime)[-NEWEST:]
    runs = [run for run in (RunFolder(path.parent) for path in newest) if run.config]
    return [(_workload(run.config), run.lmbda, run.progress.seconds_per_step) for run in runs if run.progress]


def _seconds_per_step(cfg: DictConfig, measured: Sequence[Measured]) -> float | None:
    """The step time of the run of equal workload whose λ is nearest."""
    workload = _workload(cfg)
    alike = [(abs(math.log(lmbda / cfg.lmbda)), seconds) for other, lmbda, seconds in measured if other == workload]
    return min(alike, default=(0.0, None))[1]


def _workload(cfg: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """What the config, composed or read, says of each part of the workload; None where it is silent."""

    def setting(key: str) -> Any:
        value: Any = cfg
        for part in key.split("."):
            value = (value or {}).get(part)
        return value

    return {key: setting(key) for key in WORKLOAD}


def print_plan(cells: Sequence[Planned]) -> None:
    """Prints the cells as a table, with what is left in all."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    common = set.intersection(*(set(cell.overrides.split()) for cell in cells)) if len(cells) > 1 else set()
    table = Table()
    table.add_column("cell")
    table.add_column("", overflow="fold")
    for heading in ("steps", "hours", "disk, MB"):
        table.add_column(heading, justify="right")
    for cell in cells:
        varied = " ".join(override for override in cell.overrides.split() if override not in common)
        hours = "done" if cell.done else _hours(cell.hours)
        table.add_row(cell.cell, Text(varied), str(cell.steps), hours, f"{cell.disk / 1e6:.1f}")
    console, left = Console(), [cell for cell in cells if not cell.done]
    console.print(table)
    known = [cell.hours for cell in left if cell.hours is not None]
    total = _hours(sum(known) if len(known) == len(left) else None)
    console.print(
        f"{len(cells)} cells, {len(cells) - len(left)} of them done; left: {sum(cell.steps for cell in left)} steps, "
        f"hours of training one after the other: {total}, disk: {sum(cell.disk for cell in left) / 1e6:.0f} MB"
    )


def _hours(hours: float | None) -> str:
    return "unknown" if hours is None else f"{hours:.2g}"
