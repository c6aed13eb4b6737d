"""One process at a time in a cell's folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"
PATIENCE = 10.0  # seconds: a killed run's data loaders hold its lock until they notice, within five


class RunningElsewhereError(RuntimeError):
    """Another process is in the cell's folder."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds the lock of a cell's folder, which the kernel lets go when this process dies, however it dies.

    What a killed process left half-written is removed: nobody else can be writing.

    Raises:
        RunningElsewhereError: another process holds the lock.
    """
    try:
        with FileLock(folder / LOCK, timeout=PATIENCE):
            for stale in (*folder.glob(".*.tmp"), *folder.glob("*/.*.tmp")):
                stale.unlink()
            yield
    except Timeout:
        raise RunningElsewhereError(f"{folder} is running elsewhere") from None


def is_held(folder: Path) -> bool:
    """True while a process is in the cell's folder. Asks with a shared lock, so that reading rights are enough."""
    if not (folder / LOCK).is_file():
        return False
    with (folder / LOCK).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
