"""`lic train`: specialise (or train) one codec, then read its RD point and BD-rate against the reference.

One line of YAML to one object: `cfg.codec` → network, `cfg.freeze` → policy, `cfg.objective` → loss,
`cfg.data` → DataModule, `cfg.callbacks` → guard, checkpoints, …; this file only puts them together.
"""

from __future__ import annotations

import copy
import logging
from pathlib import Path

import hydra
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from lic_lightning.callbacks.rd_point import RDPoint
from lic_lightning.codecs.registry import spec
from lic_lightning.metrics.image import build_metrics
from lic_lightning.modules.codec_module import CodecModule
from lic_lightning.runs import provenance
from lic_lightning.runs.checkpoint import AtomicCheckpointIO, checkpoint_to_resume
from lic_lightning.runs.identity import CONF, run_of
from lic_lightning.runs.job import run_job
from lic_lightning.runs.run import Run

log = logging.getLogger("lic.train")


def train(cfg: DictConfig, folder: Path) -> Run:
    """Trains and judges in `folder` the run that `cfg` describes; a finished run is not repeated."""
    run = run_of(cfg, folder)
    if run.finished and not cfg.trainer.get("fast_dev_run"):
        log.info("%s is finished: %s (delete the folder to repeat it)", run.name, run.results)
        return run
    log.info("%s in %s", run.name, folder)
    pl.seed_everything(cfg.seed, workers=True)
    codec = instantiate(cfg.codec)
    start = copy.deepcopy(codec)
    if cfg.data.crop % (stride := spec(cfg.codec.name).stride):
        raise ValueError(f"data.crop={cfg.data.crop} must be a multiple of {stride}, the stride of {cfg.codec.name}")
    settings = instantiate(cfg.evaluation)
    build_metrics(settings.metrics, settings.lpips_trunk)  # what is missing is said now, not after training
    data = instantiate(cfg.data)
    data.setup()
    provenance.record(cfg, folder)
    data.write_splits(folder / "splits.json")

    module = _module(cfg, codec)
    rd_point = RDPoint(
        run,
        start=start,
        reference=reference(cfg, start),
        settings=settings,
        cache=Path(cfg.paths.output) / "reference",
    )
    trainer: pl.Trainer = instantiate(
        cfg.trainer,
        enable_progress_bar=bool(cfg.callbacks.get("progress_bar")),
        enable_checkpointing=bool(cfg.callbacks.get("checkpoint")),
        callbacks=[*(instantiate(callback) for callback in cfg.callbacks.values() if callback), rd_point],
        logger=[instantiate(logger) for logger in cfg.logger.values() if logger],
    )
    trainer.strategy.checkpoint_io = AtomicCheckpointIO()
    for logger in trainer.loggers:
        logger.log_hyperparams(OmegaConf.to_container(cfg, resolve=True))  # type: ignore[arg-type]
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint_to_resume(cfg.resume, folder), weights_only=True)
    return run


def reference(cfg: DictConfig, start: nn.Module) -> nn.Module | None:
    """What the run is judged against: the untouched start, other weights, or nothing."""
    if cfg.reference.codec is None:
        return None
    return start if cfg.reference.codec == cfg.codec else instantiate(cfg.reference.codec)


def _module(cfg: DictConfig, codec: nn.Module) -> CodecModule:
    if cfg.channels_last:
        codec.to(memory_format=torch.channels_last)
    if cfg.compile:
        codec.compile()
    return CodecModule(
        codec,
        roles=spec(cfg.codec.name).roles,
        freeze=instantiate(cfg.freeze),
        objective=instantiate(cfg.objective.loss),
        optimizer=instantiate(cfg.optimizer),
        scheduler=instantiate(cfg.scheduler),
        conditions=spec(cfg.codec.name).conditions,
        quantizer=cfg.quantizer,
    )


@hydra.main(config_path=str(CONF), config_name="train", version_base="1.3")
def main(cfg: DictConfig) -> float | None:
    """Hydra's entry point; returns what a sweeper minimizes, the lowest validation loss."""
    return run_job(train, cfg)


if __name__ == "__main__":
    main()
