"""The rooms of the package and the arrows between them: who may import whom, and who knows which framework.

An import for types alone (`if TYPE_CHECKING:`) is no arrow: nothing of the other room is needed to run, and an
objective may say that it takes a `Batch`. An import inside a function is one: it only waits.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lic_lightning

PACKAGE = Path(lic_lightning.__file__).parent
LOWEST = {"files", "parallel"}
NETWORKS = {"codecs", "heads", "objectives", "metrics", *LOWEST}
DATA = {"evaluation", "bitstream", "data", "refinement", *NETWORKS}
ARROWS: dict[str, set[str]] = {
    "cli": set(),  # names its subcommands' modules and imports the one that is asked for
    "files": set(),
    "parallel": set(),
    "codecs": LOWEST,
    "heads": {"codecs", *LOWEST},
    "objectives": {"metrics", "codecs", *LOWEST},  # a distortion that is a metric, its smallest image
    "metrics": {"codecs", *LOWEST},
    "data": {"refinement", *NETWORKS},
    "refinement": {"codecs"},  # an objective is given to it
    "bitstream": {"refinement", *NETWORKS},
    "evaluation": {"bitstream", "refinement", *NETWORKS},  # a row says how large the file is
    "runs": {"codecs", *LOWEST},
    "modules": DATA,
    "reports": {"runs", *DATA},
    "selection": {"runs", "reports", *DATA},
    "loggers": {"runs", "reports", *DATA},
    "callbacks": {"runs", "modules", "reports", "loggers", "selection", *DATA},  # a judge is one: of the selector too
    "commands": {"runs", "modules", "reports", "selection", "loggers", "callbacks", *DATA},
}
FRAMEWORKS = {
    "hydra": {"commands", "callbacks", "runs"},
    "omegaconf": {"commands", "callbacks", "runs"},
    "pytorch_lightning": {"commands", "callbacks", "modules", "loggers", "data", "runs"},
    "wandb": {"commands", "callbacks", "loggers"},
}


def imports(file: Path) -> Iterator[str]:
    """Dotted names that a file imports when it runs, in functions too."""
    todo: list[ast.AST] = [ast.parse(file.read_text())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        else:
            todo += ast.iter_child_nodes(node)


def rooms() -> dict[str, list[Path]]:
    """The files of each room; what lies at the package's top is a room of its own."""
    files: dict[str, list[Path]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        files.setdefault(file.relative_to(PACKAGE).parts[0].removesuffix(".py"), []).append(file)
    del files["__init__"]
    return files


def rooms_used(file: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(file) if name.startswith("lic_lightning.")}


def test_every_room_has_its_arrows() -> None:
    assert rooms().keys() == ARROWS.keys()


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    wrong = {str(file): used for file in rooms()[room] if (used := rooms_used(file) - ARROWS[room] - {room})}
    assert not wrong


def test_the_arrows_make_no_circle() -> None:
    done: set[str] = set()
    while free := {room for room, used in ARROWS.items() if room not in done and used <= done}:
        done |= free
    assert done == ARROWS.keys()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_is_known_in_its_rooms_alone(framework: str) -> None:
    users = {room for room, files in rooms().items() for file in files if framework in _roots(file)}
    assert users <= FRAMEWORKS[framework]


def _roots(file: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(file)}


IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(f"lic_lightning.{name}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
print(*sorted({"pytorch_lightning", "lightning", "hydra", "omegaconf", "wandb"} & set(sys.modules)))
"""


def test_the_lower_rooms_run_without_any_framework() -> None:
    """What they import imports none either. A page of results, and the choice of an encoder, need none."""
    lower = sorted(DATA - LOWEST - {"data"} | {"reports", "selection"})
    command = [sys.executable, "-c", IMPORT_ALL, *lower]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_data_does_not_wait_for_compressai() -> None:
    code = "import sys, lic_lightning.data; sys.exit('compressai' in sys.modules)"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
