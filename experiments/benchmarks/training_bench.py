"""A step of `lic train`'s module under Lightning, beside a bare PyTorch loop on the same network and batches."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from sides import CORES, Comparison
from torch import nn
from torch.utils.data import DataLoader

from lic_lightning.codecs.freeze import FreezePolicy
from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.weights import load_codec
from lic_lightning.data.batch import Batch
from lic_lightning.modules.codec_module import CodecModule
from lic_lightning.objectives.rate_distortion import MSE

CODEC, CLIP = "mbt2018-mean", 1.0
ADAM = partial(torch.optim.Adam, lr=1e-4)
WARM_UP = 2  # steps of each turn that are not counted


class Clock(pl.Callback):
    """The time at the end of each step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        self.times.append(time.perf_counter())


def compare(quick: bool) -> list[Comparison]:
    """Both freeze policies: one that trains all, and the encoder alone."""
    torch.set_num_threads(CORES)
    sizes, crop, steps, turns = ({"N": 8, "M": 12}, 64, 2, 1) if quick else ({"N": 64, "M": 96}, 256, 6, 5)
    batches = [Batch(torch.rand(4, 3, crop, crop), ["noise"] * 4) for _ in range(WARM_UP + steps)]
    loader = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]
    rows = []
    for policy in (FreezePolicy("none", ("encoder", "decoder", "entropy")), FreezePolicy("encoder_only", ("encoder",))):
        runs: dict[str, list[float]] = {"lic_lightning": [], "bare loop": []}
        for turn in range(turns):
            for side in sorted(runs, reverse=turn % 2 == 0):
                codec = load_codec(CODEC, lmbda=0.013, **sizes)  # type: ignore[arg-type]
                times = (_lightning if side == "lic_lightning" else _bare)(codec, policy, loader)
                runs[side].append((times[-1] - times[WARM_UP - 1]) / steps)
        what = f"step of {CODEC} {tuple(sizes.values())}, batch 4 of {crop}², freeze={policy.name}"
        note = f"each turn the mean of {steps} steps; CSV logger"
        rows.append(Comparison(what, "s", runs, "ratio 0.97 or more", note))
    return rows


def _lightning(codec: nn.Module, policy: FreezePolicy, loader: DataLoader) -> list[float]:
    module = CodecModule(codec, CODEC, policy, MSE(0.013), ADAM)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=1,
            gradient_clip_val=CLIP,
            callbacks=[clock],
            logger=pl.loggers.CSVLogger(folder),
            log_every_n_steps=10,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )
        trainer.fit(module, loader)
    return clock.times


def _bare(codec: nn.Module, policy: FreezePolicy, loader: DataLoader) -> list[float]:
    objective, times = MSE(0.013), []
    policy.apply(codec, spec(CODEC).roles)
    codec.train()
    policy.hold(codec)
    trainable = [parameter for parameter in codec.parameters() if parameter.requires_grad]
    optimizer = ADAM(trainable)
    for batch in loader:
        optimizer.zero_grad()
        objective(codec(batch.image), batch)["loss"].backward()
        torch.nn.utils.clip_grad_norm_(trainable, CLIP)
        optimizer.step()
        times.append(time.perf_counter())
    return times
