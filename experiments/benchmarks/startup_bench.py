"""How long until `lic` helps, until it trains its first step, and what importing its dependencies alone takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pictures import photographs
from sides import Comparison, take_turns

LIC = (sys.executable, "-W", "ignore", "-m", "lic_lightning.cli")
IMPORTS = (sys.executable, "-W", "ignore", "-c", "import compressai.zoo, hydra, pytorch_lightning, torchvision")
TINY = (
    *("trainer=cpu", "category=food", "codec.weights=none", "codec.N=8", "codec.M=12", "data.crop=64"),
    *("data.batch_size=2", "data.workers=0", "callbacks.progress_bar=null", "logger=csv", "evaluation.classic=[]"),
)


class StopAfterFirstStep(pl.Callback):
    """Ends the process as soon as one step is done."""

    def on_train_batch_end(self, *_: Any) -> None:
        os._exit(0)


def compare(quick: bool) -> list[Comparison]:
    """Fresh processes; the files are in the system's cache after the first turn."""
    turns = 1 if quick else 5
    with tempfile.TemporaryDirectory() as scratch:
        photographs(Path(scratch) / "food", 6, quick=True)
        environment = {
            **os.environ,
            "LIC_DATA": scratch,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH")))),
        }
        first = f"+callbacks.first._target_={__name__}.StopAfterFirstStep"

        def process(*command: str) -> Callable[[], None]:
            def run() -> None:
                own = {**environment, "LIC_OUTPUT": tempfile.mkdtemp(dir=scratch)}  # a cell that starts anew
                subprocess.run(command, env=own, check=True, capture_output=True)

            return run

        help_alone = take_turns({"lic": process(*LIC, "--help")}, turns)
        runs = take_turns(
            {
                "lic train --help": process(*LIC, "train", "--help"),
                "lic train": process(*LIC, "train", *TINY, first),
                "imports alone": process(*IMPORTS),
            },
            turns,
        )
    imports = {"imports alone": runs["imports alone"]}
    note = "imports: torch, torchvision, CompressAI, Lightning, Hydra"
    return [
        Comparison("`lic --help`", "s", help_alone, "under 1 s"),
        Comparison("`lic train --help`", "s", {"lic": runs["lic train --help"], **imports}, note=note),
        Comparison(
            "`lic train` to the end of its first step, N=8", "s", {"lic": runs["lic train"], **imports}, note=note
        ),
    ]
