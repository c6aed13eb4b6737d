"""Sides that are compared take turns, so that whatever else the machine does meets them all."""

from __future__ import annotations

import datetime
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

CORES = len(os.sched_getaffinity(0))  # those this process may use


@dataclass
class Comparison:
    """One row of the table.

    Attributes:
        what: is measured, with sizes.
        unit: of the values.
        runs: values by side, ours first, one for each turn.
        goal: what was promised, in words.
        note: what a reader must know to trust the figure.
    """

    what: str
    unit: str
    runs: dict[str, list[float]]
    goal: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times more than ours the other side takes: the median over the turns; None for one side."""
        if len(self.runs) < 2:
            return None
        ours, theirs = self.runs.values()
        return median(other / own for own, other in zip(ours, theirs, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """As in results.json."""
        medians = {side: median(values) for side, values in self.runs.items()}
        return {**asdict(self), "medians": medians, "ratio": self.ratio}


def take_turns(sides: dict[str, Callable[[], Any]], turns: int) -> dict[str, list[float]]:
    """Seconds of wall-clock time by side; the order of the sides changes from turn to turn."""
    runs: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(turns):
        for side in list(sides)[:: 1 if turn % 2 == 0 else -1]:
            start = time.perf_counter()
            sides[side]()
            runs[side].append(time.perf_counter() - start)
    return runs


def machine() -> dict[str, Any]:
    """What the figures depend on: date, processor, cores, load of the last minute, versions."""
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": _processor(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": CORES,
        "load": round(os.getloadavg()[0], 2),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")  # Linux, where `platform.processor()` says nothing
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
