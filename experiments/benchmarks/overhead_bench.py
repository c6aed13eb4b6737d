"""What a sweep adds to each cell's work: config, Lightning, guard, checkpoint, cross-decode, results, report."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import torch
from pictures import photographs
from sides import Comparison
from startup_bench import LIC, TINY

from lic_lightning.codecs.weights import load_codec
from lic_lightning.data.batch import collate
from lic_lightning.data.crops import Crops
from lic_lightning.data.datamodule import test_split
from lic_lightning.data.dataset import Category
from lic_lightning.data.layouts.folder import FolderDataset
from lic_lightning.evaluation.evaluate import Settings, evaluate
from lic_lightning.objectives.rate_distortion import MSE
from lic_lightning.runs.run import RESULTS

LMBDAS = ("0.0018", "0.0035", "0.0067", "0.0130", "0.0250", "0.0483", "0.0932", "0.1800")
SPLIT = {"train": 0.7, "val": 0.1, "test": 0.2}  # of conf/category/food.yaml


def compare(quick: bool) -> list[Comparison]:
    """Cells of one multirun from the second on (the first warms up), and their bare work."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        images = photographs(Path(scratch) / "food", 12, quick=True)
        cells = _cells(Path(scratch), LMBDAS[: 3 if quick else None])
        bare = [_bare(images) for _ in cells]
    what = "a cell of a multirun: one batch of training, one of validation, 2 test images of 192×176, N=8 M=12"
    note = f"overhead {sorted(cells)[len(cells) // 2] - sorted(bare)[len(bare) // 2]:.2f} s a cell"
    return [Comparison(what, "s", {"lic train -m": cells, "bare work": bare}, note=note)]


def _cells(scratch: Path, lmbdas: tuple[str, ...]) -> list[float]:
    """Seconds from the end of one cell to the end of the next."""
    environment = {
        **os.environ,
        "LIC_DATA": str(scratch),
        "LIC_OUTPUT": str(scratch / "outputs"),
        "OMP_NUM_THREADS": "1",
    }
    command = (*LIC, "train", "-m", *TINY, "debug=fdr", f"lmbda={','.join(lmbdas)}")
    subprocess.run(command, env=environment, check=True, capture_output=True)
    ends = sorted(path.stat().st_mtime for path in scratch.glob(f"outputs/*/*/{RESULTS}"))
    assert len(ends) == len(lmbdas)
    return [later - earlier for earlier, later in pairwise(ends)]


def _bare(images: FolderDataset) -> float:
    """The same work without the platform around it. The reference's rows come from a cache after the first cell."""
    start = time.perf_counter()
    codec = load_codec("mbt2018-mean", lmbda=0.013, N=8, M=12)
    crops = Crops(images, 64)
    batch = collate([crops[0], crops[1]])
    optimizer = torch.optim.Adam(p for p in codec.parameters() if p.requires_grad)
    MSE(0.013)(codec.train()(batch.image), batch)["loss"].backward()
    optimizer.step()
    with torch.no_grad():
        codec.eval()(batch.image)
    evaluate(codec, test_split(Category("food", images, SPLIT), 0), "mbt2018-mean", Settings(), decoder=codec)
    return time.perf_counter() - start
