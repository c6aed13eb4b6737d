"""How far a run is: a small file in its folder, written anew at each validation."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lic_lightning.files import write_atomically

PROGRESS = "progress.json"


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        step: optimizer steps taken.
        of: steps in all; None where training has no end.
        seconds_per_step: wall-clock time since training (re)started over its steps, validation included.
        val_loss: the lowest validation loss so far; what a sweeper minimizes.
    """

    step: int
    of: int | None
    seconds_per_step: float
    val_loss: float

    def write(self, folder: Path) -> None:
        """Leaves the progress in a run's folder."""
        write_atomically(folder / PROGRESS, (json.dumps(asdict(self)) + "\n").encode())


def read_progress(folder: Path) -> Progress | None:
    """The progress in a run's folder; None before its first validation."""
    path = folder / PROGRESS
    return Progress(**json.loads(path.read_text())) if path.is_file() else None
