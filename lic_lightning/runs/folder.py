"""What the folders of a sweep's cells tell: finished or not, what each was made from, how its training went."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lic_lightning.runs.cells import Cell, read_cells
from lic_lightning.runs.run import FAILED, RESULTS

REPORT = "report"


@dataclass(frozen=True)
class RunFolder:
    """One cell of a sweep and its folder.

    Attributes:
        state: "finished", "failed" (its last error line is `error`), "unfinished" or "never started".
        config: as it was resolved; empty before the run got that far, like all that follows.
        packages: name → version.
        machine: Python, system and processor.
        commit: of the platform; ends in "+" where the checkout had changes.
        losses: (step, loss) at each validation, and at each logged training step.
    """

    name: str
    overrides: tuple[str, ...]
    state: str
    error: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    validation: tuple[tuple[int, float], ...] = ()
    training: tuple[tuple[int, float], ...] = ()


def run_folders(folder: Path) -> list[RunFolder]:
    """Every cell of a sweep, planned or found; `folder` may be one run's own.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: the results are deeper than a sweep's are.
    """
    cells = {cell.name: cell for cell in read_cells(folder)}
    if (folder / RESULTS).is_file() or (folder / ".hydra").is_dir():
        return [_run_folder(folder, Cell(folder.resolve().name, ()))]
    if not cells and not any(folder.glob(f"*/{RESULTS}")) and (deeper := sorted(folder.glob(f"*/*/{RESULTS}"))):
        raise ValueError(f"{folder} is no sweep, but holds some: name one of them, as in {deeper[0].parent.parent}")
    names = {path.name for path in folder.iterdir() if path.is_dir() and path.name != REPORT and path.name[0] != "."}
    return [_run_folder(folder / name, cells.get(name, Cell(name, ()))) for name in sorted({*names, *cells})]


def without_results(folder: Path, cells: Iterable[str] | None = None) -> str:
    """Markdown: a list of the cells of a sweep that have no results, each with what made it; empty where all have.

    Args:
        folder: of the sweep.
        cells: that should be there; None takes every folder that isn't hidden.
    """
    if cells is None:
        cells = [f.name for f in folder.iterdir() if f.is_dir() and f.name != REPORT and not f.name.startswith(".")]
    lines = [
        f"- {cell}{_overrides(folder / cell)}" for cell in sorted(cells) if not (folder / cell / RESULTS).is_file()
    ]
    return "\n".join(["Without results:\n", *lines]) if lines else ""


def _overrides(cell: Path) -> str:
    """What Hydra set for a cell, in brackets after a space; empty where it never started."""
    lines = _text(cell / ".hydra" / "overrides.yaml").splitlines()
    return f" ({', '.join(line.removeprefix('- ') for line in lines)})" if lines else ""


def _run_folder(folder: Path, cell: Cell) -> RunFolder:
    state, error = "finished", ""
    if not (folder / RESULTS).is_file():
        state = "unfinished" if folder.is_dir() else "never started"
        if (folder / FAILED).is_file():
            state, error = "failed", (folder / FAILED).read_text().strip().splitlines()[-1]
    commit, _, diff = _text(folder / "git.txt").partition("\n")
    validation, training = _losses(folder)
    return RunFolder(
        name=cell.name,
        overrides=cell.overrides,
        state=state,
        error=error,
        config=yaml.safe_load(_text(folder / "config.yaml")) or {},
        packages=dict(line.split("==", 1) for line in _text(folder / "packages.txt").splitlines()),
        machine=json.loads(_text(folder / "machine.json") or "{}"),
        commit=commit + ("+" if diff.strip() else ""),
        validation=validation,
        training=training,
    )


def _losses(folder: Path) -> tuple[tuple[tuple[int, float], ...], tuple[tuple[int, float], ...]]:
    """From the CSV logger's files, one per start of the run, oldest first."""
    files = sorted(folder.glob("csv/version_*/metrics.csv"), key=lambda path: int(path.parent.name.split("_")[1]))
    lines = [line for file in files for line in csv.DictReader(file.read_text().splitlines())]

    def curve(key: str) -> tuple[tuple[int, float], ...]:
        # A resumed run repeats steps: the later start counts
        return tuple(sorted({int(line["step"]): float(line[key]) for line in lines if line.get(key)}.items()))

    return curve("val/loss"), curve("train/loss_step")


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
