"""What a run was made from: resolved config, package versions, git commit and diff."""

import json
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from lic_lightning.files import write_atomically


def record(cfg: DictConfig, folder: Path) -> None:
    """Writes `config.yaml`, `packages.txt`, `machine.json` and, in a git checkout, `git.txt` with commit and diff."""
    write_atomically(folder / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True).encode())
    packages = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()}, key=str.lower)
    write_atomically(folder / "packages.txt", ("\n".join(packages) + "\n").encode())
    machine = {"python": platform.python_version(), "system": platform.platform(), "processor": platform.machine()}
    write_atomically(folder / "machine.json", (json.dumps(machine, indent=2) + "\n").encode())
    if git := _git():
        write_atomically(folder / "git.txt", git.encode())


def _git() -> str | None:
    here = Path(__file__).parent
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True)
    if commit.returncode:
        return None
    diff = subprocess.run(["git", "diff", "HEAD"], cwd=here, capture_output=True, text=True)
    return f"{commit.stdout}\n{diff.stdout}"
