"""Dependencies point one way: networks, objectives and evaluation know no Lightning, no Hydra, no W&B."""

import subprocess
import sys

import pytest

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
print(*sorted({"pytorch_lightning", "lightning", "hydra", "omegaconf", "wandb"} & set(sys.modules)))
"""


LOWER = ("bitstream", "codecs", "evaluation", "objectives", "reports", "selection", "heads")


@pytest.mark.parametrize("package", LOWER)
def test_a_lower_layer_imports_no_upper_one(package: str) -> None:
    command = [sys.executable, "-c", IMPORT_ALL, f"lic_lightning.{package}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
