"""Files that are whole or absent."""

import os
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

LONGEST = 100  # bytes of a part of a file's name; file systems take 255, and a name has several parts


def write_atomically(path: Path | str, content: bytes) -> None:
    """Writes a file that is either whole or absent, also after a crash or on a full disk."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}.tmp")  # one name a writer, on any host
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_part(text: str) -> str:
    """A text as a part of a file's name, which leads nowhere and which no file system minds.

    At most 100 bytes long: of a longer one the beginning, and a hash of all of it.
    """
    part = "".join(character if character.isalnum() or character in "-_." else "-" for character in text).lstrip(".")
    if part and len(part.encode()) <= LONGEST:
        return part
    return f"{part.encode()[: LONGEST - 13].decode(errors='ignore')}-{sha256(text.encode()).hexdigest()[:12]}"
