"""The main job in small: four λ from the shipped reference, one multirun, BD-rate in files, report and W&B."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lic_lightning.evaluation.results import read_rows

Lic = Callable[..., Path]
SWEEP = (
    "-m",
    "lmbda=0.0067,0.0130,0.0250,0.0483",
    "codec.weights=shipped",
    "codec.N=null",
    "codec.M=null",
    "data.crop=64",
    "evaluation.classic=[jpeg]",
    "optimizer.lr=1e-6",  # four steps of more only disturb the encoder, and curves must overlap to be compared
)


@pytest.fixture
def sweep(lic_train: Lic) -> Path:
    return lic_train(*SWEEP, "logger=wandb", "trainer.max_epochs=1") / "main"


def test_a_multirun_ends_in_tables_plots_and_bd_rate(sweep: Path) -> None:
    cells = [path.parent for path in sweep.glob("*/results.parquet")]
    assert len(cells) == 4

    rows = read_rows(sweep)
    assert rows.filter(role="tuned")["withheld"].is_null().all(), "the reference did not read a tuned encoder's strings"
    assert set(rows["role"]) == {"tuned", "reference", "classic"}

    table = (sweep / "report" / "bd_rate.md").read_text()
    assert "mbt2018-mean food encoder_only" in table
    assert "4 points" not in table
    assert list((sweep / "report").glob("rd_food_*.png"))

    logged = {key: value for cell in cells for key, value in wandb_summary(cell).items()}
    assert json.loads(logged["rd_table/_type"]) == "table-file"
    assert -5 < float(logged["bd_rate/food/psnr"]) < 5

    command = [sys.executable, "-m", "lic_lightning.cli", "bd", str(sweep), str(sweep), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (answer,) = json.loads(done.stdout)
    assert answer["points"] == 4
    assert answer["bd_rate"] == pytest.approx(float(logged["bd_rate/food/psnr"]), abs=1e-9)


def wandb_summary(cell: Path) -> dict[str, str]:
    """Keys and JSON values of history and summary in the offline W&B run of a cell, read back from its file."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = cell.glob("wandb/offline-run-*/run-*.wandb")
    found = {}
    for data in leveldb_records(path.read_bytes()):
        record = Record.FromString(data)
        for item in (*record.history.item, *record.summary.update):
            found[item.key or "/".join(item.nested_key)] = item.value_json
    return found


def leveldb_records(log: bytes, block: int = 32768) -> Iterator[bytes]:
    """Records of a log in LevelDB's format behind W&B's seven bytes: CRC, length and part, in blocks of 32 KiB."""
    position, record = 7, b""
    while position < len(log):
        if block - position % block < 7:  # too little for a header: padding
            position += block - position % block
            continue
        _, length, part = struct.unpack_from("<IHB", log, position)
        record += log[position + 7 : position + 7 + length]
        position += 7 + length
        if part in (1, 4):  # whole, or the last part
            yield record
            record = b""
