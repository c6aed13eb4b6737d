"""Checkpoints that are whole or absent, and which of them a run goes on from."""

import io
import logging
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lic_lightning.files import write_atomically
from lic_lightning.runs.run import LAST

log = logging.getLogger("lic.train")

CORRUPT = ".corrupt"


class CheckpointError(RuntimeError):
    """A file that is no checkpoint, or only half of one; the message names it."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the checkpoint and renames.

    Lightning's own goes through the system's temporary folder: where that is another file system, a disk that fills
    or a killed process leaves half a checkpoint under the final name.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Writes a checkpoint, all or nothing.

        Raises:
            OSError: the disk is full or the folder can't be written; the checkpoint of before still stands.
        """
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_atomically(path, content.getvalue())


def checkpoint_to_resume(resume: str | None, folder: Path) -> Path | None:
    """The checkpoint that a run goes on from.

    Args:
        resume: "auto" for the last one in `folder`, a path, or None for none.
        folder: of the run.

    Returns:
        None where the run starts from the beginning. Under "auto" a file that can't be read is moved aside with a
        warning. In place of the last one comes the readable checkpoint with the most steps; without the best one, whose
        weights the run would be judged by, the run starts anew.

    Raises:
        FileNotFoundError: `resume` names a file that does not exist.
        CheckpointError: it names one that can't be read.
    """
    if resume is None:
        return None
    if resume == "auto":
        return _latest(folder / LAST)
    if not Path(resume).is_file():
        raise FileNotFoundError(f"resume={resume}: no such checkpoint. `auto` goes on where this cell stopped")
    _step(Path(resume))
    return Path(resume)


def _latest(last: Path) -> Path | None:
    steps: dict[Path, int] = {}
    corrupt: dict[Path, CheckpointError] = {}
    for path in sorted(last.parent.glob("*.ckpt")):
        try:
            steps[path] = _step(path)
        except CheckpointError as error:
            path.replace(path.with_name(path.name + CORRUPT))
            corrupt[path] = error
    if not corrupt and last in steps:
        return last
    latest = max(steps, key=lambda path: steps[path], default=None)
    if corrupt:
        latest = latest if list(corrupt) == [last] else None
        instead = f"from {latest}, step {steps[latest]}" if latest else "from the beginning"
        files = "; ".join(map(str, corrupt.values()))
        log.warning("%s. Moved aside as *.ckpt%s; the run goes on %s", files, CORRUPT, instead)
    return latest


def _step(path: Path) -> int:
    """The step of a checkpoint, which is read whole."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return int(content["global_step"])
    except (UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise CheckpointError(f"{path} is no readable checkpoint ({reason})") from error
