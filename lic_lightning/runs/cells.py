"""The cells of a sweep: those that its starts planned, and those whose folders are there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lic_lightning.files import write_atomically

PLANS = ".plans"


@dataclass(frozen=True)
class Cell:
    """A cell as it was asked for.

    Attributes:
        name: its folder in the sweep's folder.
        overrides: what makes it, as on the command line.
        curve: cells that share it differ in λ only; "" where unknown.
        codec: the codec's name; "" where unknown.
    """

    name: str
    overrides: tuple[str, ...]
    curve: str = ""
    codec: str = ""

    @property
    def lmbda(self) -> str:
        """λ as it was asked for; "" where it was not."""
        return next((o.partition("=")[2] for o in self.overrides if o.startswith("lmbda=")), "")


def write_plan(folder: Path, cells: Sequence[Cell]) -> None:
    """Leaves the list of a start's cells in the sweep's folder. The same command again writes the same file."""
    content = json.dumps([asdict(cell) for cell in cells], indent=1).encode()
    write_atomically(folder / PLANS / f"{hashlib.sha256(content).hexdigest()[:12]}.json", content)


def read_cells(folder: Path) -> list[Cell]:
    """Every cell that a start planned, whether it ever ran or not, then every other run's folder.

    Raises:
        FileNotFoundError: no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no sweep folder {folder}")
    plans = sorted((folder / PLANS).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    planned = [Cell(**{**c, "overrides": tuple(c["overrides"])}) for p in plans for c in json.loads(p.read_text())]
    found = [Cell(path.parent.parent.name, _recorded(path)) for path in sorted(folder.glob("*/.hydra/overrides.yaml"))]
    cells = {cell.name: cell for cell in planned}
    return [*cells.values(), *(cell for cell in found if cell.name not in cells)]


def _recorded(overrides: Path) -> tuple[str, ...]:
    """What Hydra recorded of a job: a YAML list of strings."""
    return tuple(line.removeprefix("- ") for line in overrides.read_text().splitlines() if line.startswith("- "))
