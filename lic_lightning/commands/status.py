"""`lic status`: the grid of a sweep, and what is left of it in hours."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from lic_lightning.runs.cells import Cell, read_cells
from lic_lightning.runs.lock import is_held
from lic_lightning.runs.progress import Progress, read_progress
from lic_lightning.runs.run import FAILED, LAST, RESULTS

State = Literal["done", "running", "failed", "stopped", "missing"]
STATES: tuple[State, ...] = ("done", "running", "failed", "stopped", "missing")
STYLES = {"done": "green", "running": "cyan", "failed": "red", "stopped": "yellow", "missing": "dim"}
DESCRIPTION = """\
The grid of a sweep: done, running, failed (with its last error line), stopped (half done) or missing, and what is
left in hours, from the steps and step times that the sweep's own runs measured. Training only: coding the test
sets comes on top. The same `lic train -m …` again skips what is done and goes on with the rest.
"""


@dataclass(frozen=True)
class CellState:
    """Where a cell stands.

    Attributes:
        error: the last line of its last failure; "" where it is not in state "failed".
    """

    cell: Cell
    state: State
    progress: Progress | None
    error: str = ""


@dataclass(frozen=True)
class Left:
    """What is left of a sweep.

    Attributes:
        steps: of all cells that are not done; None where no run has told how many steps it takes.
        hours: of one process after the other; None where no step time is known.
    """

    steps: int | None
    hours: float | None


def main(argv: list[str]) -> int:
    """Runs `lic status` with its arguments; returns 0."""
    parser = argparse.ArgumentParser(
        prog="lic status", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of a sweep: outputs/main")
    parser.add_argument("--json", action="store_true", help="print one object, and nothing else")
    arguments = parser.parse_args(argv)
    cells = states(arguments.folder)
    if arguments.json:
        print(json.dumps(_as_json(cells), indent=2))
    else:
        _print(arguments.folder, cells)
    return 0


def states(folder: Path) -> list[CellState]:
    """Every cell of a sweep, planned or found, in the order of the plan.

    Raises:
        FileNotFoundError: no such folder.
    """
    return [_state(cell, folder / cell.name) for cell in read_cells(folder)]


def left(cells: Sequence[CellState]) -> Left:
    """Steps and hours of the cells that are not done.

    A cell without a progress of its own is taken to be as the measured ones of its curve, else of its codec, else of
    the whole sweep (their median).
    """
    open_cells = [state for state in cells if state.state != "done"]
    steps = [_remaining(state, cells) for state in open_cells]
    seconds = [_like(state, cells, lambda progress: progress.seconds_per_step) for state in open_cells]
    known = [count for count in steps if count is not None]
    times = [count * time for count, time in zip(steps, seconds, strict=True) if count is not None and time is not None]
    return Left(
        steps=round(sum(known)) if len(known) == len(open_cells) else None,
        hours=sum(times) / 3600 if len(times) == len(open_cells) else None,
    )


def _state(cell: Cell, folder: Path) -> CellState:
    progress, failed = read_progress(folder), folder / FAILED
    if (folder / RESULTS).is_file():
        return CellState(cell, "done", progress)
    if is_held(folder):
        return CellState(cell, "running", progress)
    if failed.is_file():
        return CellState(cell, "failed", progress, failed.read_text().strip().splitlines()[-1])
    return CellState(cell, "stopped" if (folder / LAST).is_file() else "missing", progress)


def _remaining(state: CellState, cells: Sequence[CellState]) -> float | None:
    of = _like(state, cells, lambda progress: progress.of)
    return None if of is None else max(of - (state.progress.step if state.progress else 0), 0)


def _like(state: CellState, cells: Sequence[CellState], value: Callable[[Progress], float | None]) -> float | None:
    """A value of the cell's own progress, or the median over those most like it that have one."""
    own, cell = state.progress, state.cell
    if own is not None:
        return value(own)
    groups: tuple[Callable[[Cell], bool], ...] = (
        lambda other: bool(cell.curve) and other.curve == cell.curve,
        lambda other: bool(cell.codec) and other.codec == cell.codec,
        lambda other: True,
    )
    for alike in groups:
        found = [value(s.progress) for s in cells if s.progress is not None and alike(s.cell)]
        if measured := [number for number in found if number is not None]:
            return median(measured)
    return None


def _as_json(cells: Sequence[CellState]) -> dict[str, Any]:
    counts = Counter(state.state for state in cells)
    remaining = left(cells)
    return {
        "counts": {state: counts[state] for state in STATES},
        "left": {"steps": remaining.steps, "hours": remaining.hours},
        "cells": [
            {
                "cell": state.cell.name,
                "overrides": list(state.cell.overrides),
                "state": state.state,
                "step": state.progress.step if state.progress else None,
                "of": state.progress.of if state.progress else None,
                "seconds_per_step": state.progress.seconds_per_step if state.progress else None,
                "error": state.error or None,
            }
            for state in cells
        ],
    }


def _print(folder: Path, cells: Sequence[CellState]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not cells:
        return console.print(f"no cell was planned in {folder}, and none is there")
    constant = set.intersection(*(set(state.cell.overrides) for state in cells)) if len(cells) > 1 else set()
    lmbdas = list(dict.fromkeys(state.cell.lmbda for state in cells))
    table = Table(title=Text(str(folder)))
    table.add_column(overflow="fold")
    for lmbda in lmbdas:
        table.add_column(f"λ {lmbda}" if lmbda else "")
    for label, row in _rows(cells, constant).items():
        marks = [_mark(row[lmbda]) if lmbda in row else ("", "") for lmbda in lmbdas]
        table.add_row(Text(label), *(Text(mark, style) for mark, style in marks))
    console.print(table)
    if constant:
        console.print(Text(f"all: {' '.join(sorted(constant))}", "dim"))
    for state in cells:
        if state.error:
            varied = " ".join(o for o in state.cell.overrides if o not in constant)
            console.print(Text(f"{state.cell.name} ({varied}): {state.error}", "red"))
    counts = Counter(state.state for state in cells)
    console.print(f"{len(cells)} cells: {', '.join(f'{counts[state]} {state}' for state in STATES if counts[state])}")
    console.print(_in_words(left(cells), counts["running"]))


def _rows(cells: Sequence[CellState], constant: set[str]) -> dict[str, dict[str, CellState]]:
    """What a cell is called beside its λ → λ → the cell; cells of one name are told apart by their folders."""
    rows: dict[str, dict[str, CellState]] = {}
    for state in cells:
        lmbda = state.cell.lmbda
        label = " ".join(o for o in state.cell.overrides if o not in constant and not o.startswith("lmbda="))
        if lmbda in rows.get(label, {}):
            label = f"{label} [{state.cell.name}]".strip()
        rows.setdefault(label, {})[lmbda] = state
    return rows


def _mark(state: CellState) -> tuple[str, str]:
    """What stands in the grid, and its style."""
    progress = state.progress
    share = f" {100 * progress.step / progress.of:.0f} %" if progress and progress.of and state.state != "done" else ""
    return state.state + share, STYLES[state.state]


def _in_words(remaining: Left, running: int) -> str:
    if remaining.steps == 0:
        return "nothing is left to train"
    if remaining.steps is None or remaining.hours is None:
        return "left: unknown, as no run has reached its first validation"
    together = f", {remaining.hours / running:.2g} at {running} at a time as now" if running > 1 else ""
    return f"left: {remaining.steps} steps, {remaining.hours:.2g} hours of training one after the other{together}"
