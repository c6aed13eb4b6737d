"""The cells that the starts of a sweep planned, in a file of its folder each."""

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


def write_plan(folder: Path, cells: Sequence[Cell]) -> None:
    """Leaves the list of a start's cells in the sweep's folder. The same command again writes the same file."""
    content = json.dumps([asdict(cell) for cell in cells], indent=1).encode()
    write_atomically(folder / PLANS / f"{hashlib.sha256(content).hexdigest()[:12]}.json", content)


def read_plan(folder: Path) -> list[Cell]:
    """Every cell that a start planned in a sweep's folder, whether it ever ran or not; the latest plan's last."""
    plans = sorted((folder / PLANS).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return [Cell(**{**c, "overrides": tuple(c["overrides"])}) for p in plans for c in json.loads(p.read_text())]
