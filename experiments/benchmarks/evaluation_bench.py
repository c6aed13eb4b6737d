"""Evaluation in parallel processes beside CompressAI's eval_model on as many threads: same images, same numbers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from compressai.utils.eval_model.__main__ import eval_model
from pictures import photographs
from sides import CORES, Comparison, take_turns
from torch import nn

from lic_lightning.codecs.weights import load_codec
from lic_lightning.data.layouts.folder import FolderDataset
from lic_lightning.evaluation.evaluate import Settings, evaluate

CODEC = "mbt2018-mean"


def compare(quick: bool) -> list[Comparison]:
    """The shipped weights, and a larger network (untrained: its rate means nothing, its work is the same)."""
    torch.set_num_threads(CORES)
    with tempfile.TemporaryDirectory() as folder:
        if quick:
            codecs = {"8/12, untrained": (load_codec(CODEC, lmbda=0.013, N=8, M=12), 2)}
        else:
            codecs = {
                "shipped (48/160, λ 0.0130)": (load_codec(CODEC, lmbda=0.013, weights="shipped"), 24),
                "192/192, untrained": (load_codec(CODEC, lmbda=0.013, N=192, M=192), 8),
            }
        return [
            _compare(name, codec, photographs(Path(folder) / str(most), most, quick), 1 if quick else 3)
            for name, (codec, most) in codecs.items()
        ]


def _compare(name: str, codec: nn.Module, images: FolderDataset, turns: int) -> Comparison:
    found: dict[str, dict[str, float]] = {}
    files = [images.root / image for image in images.names]

    def ours() -> None:
        rows = evaluate(codec, images, "mbt2018-mean", Settings(workers=CORES))
        found["ours"] = {key: sum(row[key] for row in rows) / len(rows) for key in ("bpp", "psnr", "ms_ssim")}

    def theirs() -> None:
        options: dict[str, Any] = {"architecture": CODEC, "half": False, "per_image": False}
        means = eval_model(codec, Path(), images.root, files, **options)
        found["theirs"] = {"bpp": means["bpp"], "psnr": means["psnr-rgb"], "ms_ssim": means["ms-ssim-rgb"]}

    runs = take_turns({"lic_lightning": ours, "eval_model": theirs}, turns)
    differences = {key: abs(found["ours"][key] - found["theirs"][key]) for key in found["ours"]}
    told = ", ".join(f"{key} {difference:.0e}" for key, difference in differences.items())
    what = f"{len(images)} images, {CODEC} {name}"
    note = f"numbers differ by {told}; {CORES} processes beside {CORES} threads"
    return Comparison(what, "s", runs, "ratio 2 or more", note)
