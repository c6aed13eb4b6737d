"""What a run was made from: resolved config, package versions, git commit and diff."""

from __future__ import annotations

import json
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from omegaconf import DictConfig, OmegaConf


def record(cfg: DictConfig, folder: Path) -> None:
    """Writes `config.yaml`, `packages.txt`, `machine.json` and, in a git checkout, `git.txt` with commit and diff."""
    _write(folder / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    packages = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()}, key=str.lower)
    _write(folder / "packages.txt", "\n".join(packages) + "\n")
    machine = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.machine(),
    }
    _write(folder / "machine.json", json.dumps(machine, indent=2) + "\n")
    if git := _git():
        _write(folder / "git.txt", git)


def _git() -> str | None:
    here = Path(__file__).parent
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True)
    if commit.returncode:
        return None
    diff = subprocess.run(["git", "diff", "HEAD"], cwd=here, capture_output=True, text=True)
    return f"{commit.stdout}\n{diff.stdout}"


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.tmp")
    part.write_text(text)
    part.replace(path)
