"""`lic status`: the grid of a sweep, and what is left of it in hours."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from lic_lightning.commands.request import command_parser
from lic_lightning.runs.folder import STATES, RunFolder, run_folders
from lic_lightning.runs.progress import Progress

STYLES = {"done": "green", "running": "cyan", "failed": "red", "stopped": "yellow", "missing": "dim"}
DESCRIPTION = """\
The grid of a sweep: done, running, failed (with its last error line), stopped (half done) or missing, and what is
left in hours, from the steps and step times that the sweep's own runs measured. Training only: coding the test
sets comes on top. The same `lic train -m …` again skips what is done and goes on with the rest.
"""


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
    parser = command_parser("status", DESCRIPTION)
    parser.add_argument("folder", type=Path, help="of a sweep: outputs/main")
    parser.add_argument("--json", action="store_true", help="print one object, and nothing else")
    arguments = parser.parse_args(argv)
    runs = run_folders(arguments.folder)
    if arguments.json:
        print(json.dumps(_as_json(runs), indent=2))
    else:
        _print(arguments.folder, runs)
    return 0


def left(runs: Sequence[RunFolder]) -> Left:
    """Steps and hours of the cells that are not done.

    A cell without a progress of its own is taken to be as the measured ones of its curve, else of its codec, else of
    the whole sweep (their median).
    """
    open_cells = [run for run in runs if run.state != "done"]
    steps = [_remaining(run, runs) for run in open_cells]
    seconds = [_like(run, runs, lambda progress: progress.seconds_per_step) for run in open_cells]
    known = [count for count in steps if count is not None]
    times = [count * time for count, time in zip(steps, seconds, strict=True) if count is not None and time is not None]
    return Left(
        steps=round(sum(known)) if len(known) == len(open_cells) else None,
        hours=sum(times) / 3600 if len(times) == len(open_cells) else None,
    )


def _remaining(run: RunFolder, runs: Sequence[RunFolder]) -> float | None:
    of = _like(run, runs, lambda progress: progress.of)
    return None if of is None else max(of - (run.progress.step if run.progress else 0), 0)


def _like(run: RunFolder, runs: Sequence[RunFolder], value: Callable[[Progress], float | None]) -> float | None:
    """A value of the run's own progress, or the median over those most like it that have one."""
    if run.progress is not None:
        return value(run.progress)
    for key in (lambda r: r.planned and r.planned.curve, lambda r: r.planned and r.planned.codec, lambda r: True):
        alike = [other for other in runs if key(run) and key(other) == key(run)]
        known = [value(other.progress) for other in alike if other.progress is not None]
        if measured := [number for number in known if number is not None]:
            return median(measured)
    return None


def _as_json(runs: Sequence[RunFolder]) -> dict[str, Any]:
    counts = Counter(run.state for run in runs)
    remaining = left(runs)
    return {
        "counts": {state: counts[state] for state in STATES},
        "left": {"steps": remaining.steps, "hours": remaining.hours},
        "cells": [
            {
                "cell": run.name,
                "overrides": list(run.overrides),
                "state": run.state,
                "step": run.progress.step if run.progress else None,
                "of": run.progress.of if run.progress else None,
                "seconds_per_step": run.progress.seconds_per_step if run.progress else None,
                "error": run.error or None,
            }
            for run in runs
        ],
    }


def _print(folder: Path, runs: Sequence[RunFolder]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not runs:
        return console.print(f"no cell was planned in {folder}, and none is there")
    constant = set.intersection(*(set(run.overrides) for run in runs)) if len(runs) > 1 else set()
    lmbdas = list(dict.fromkeys(_lmbda(run) for run in runs))
    table = Table(title=Text(str(folder)))
    table.add_column(overflow="fold")
    for lmbda in lmbdas:
        table.add_column(f"λ {lmbda}" if lmbda else "")
    for label, row in _rows(runs, constant).items():
        marks = [_mark(row[lmbda]) if lmbda in row else ("", "") for lmbda in lmbdas]
        table.add_row(Text(label), *(Text(mark, style) for mark, style in marks))
    console.print(table)
    if constant:
        console.print(Text(f"all: {' '.join(sorted(constant))}", "dim"))
    for run in runs:
        if run.error:
            varied = " ".join(o for o in run.overrides if o not in constant)
            console.print(Text(f"{run.name} ({varied}): {run.error}", "red"))
    counts = Counter(run.state for run in runs)
    console.print(f"{len(runs)} cells: {', '.join(f'{counts[state]} {state}' for state in STATES if counts[state])}")
    console.print(_in_words(left(runs), counts["running"]))


def _rows(runs: Sequence[RunFolder], constant: set[str]) -> dict[str, dict[str, RunFolder]]:
    """What a cell is called beside its λ → λ → the cell; cells of one name are told apart by their folders."""
    rows: dict[str, dict[str, RunFolder]] = {}
    for run in runs:
        lmbda = _lmbda(run)
        label = " ".join(o for o in run.overrides if o not in constant and not o.startswith("lmbda="))
        if lmbda in rows.get(label, {}):
            label = f"{label} [{run.name}]".strip()
        rows.setdefault(label, {})[lmbda] = run
    return rows


def _lmbda(run: RunFolder) -> str:
    """λ as it was asked for; "" where it was not."""
    return next((o.partition("=")[2] for o in run.overrides if o.startswith("lmbda=")), "")


def _mark(run: RunFolder) -> tuple[str, str]:
    """What stands in the grid, and its style."""
    progress = run.progress
    share = f" {100 * progress.step / progress.of:.0f} %" if progress and progress.of and run.state != "done" else ""
    return run.state + share, STYLES[run.state]


def _in_words(remaining: Left, running: int) -> str:
    if remaining.steps == 0:
        return "nothing is left to train"
    if remaining.steps is None or remaining.hours is None:
        return "left: unknown, as no run has reached its first validation"
    together = f", {remaining.hours / running:.2g} at {running} at a time as now" if running > 1 else ""
    return f"left: {remaining.steps} steps, {remaining.hours:.2g} hours of training one after the other{together}"
