"""`lic recognize`: train a head on latents (or on pixels, the baseline), the codec frozen or trained with it.

`cfg.task` says what the head sees and whether the codec trains, `cfg.head` is the network, `cfg.dataset` the images.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from lic_lightning.callbacks.freeze_table import FreezeTable
from lic_lightning.callbacks.guard import Guard
from lic_lightning.callbacks.recognition import RecognitionPoint
from lic_lightning.codecs.fingerprint import decoder_fingerprint
from lic_lightning.codecs.latents import model_latents
from lic_lightning.codecs.registry import spec
from lic_lightning.data.latent_store import Identity, LatentStore, build_store
from lic_lightning.data.layouts.class_folders import Classification, Resized
from lic_lightning.data.recognition import RecognitionData
from lic_lightning.evaluation.evaluate import for_coding
from lic_lightning.heads.head_file import HeadInfo
from lic_lightning.heads.view import View
from lic_lightning.modules.head_module import HeadModule, JointModule
from lic_lightning.runs import provenance
from lic_lightning.runs.checkpoint import AtomicCheckpointIO, checkpoint_to_resume
from lic_lightning.runs.identity import CONF, cell_id, curve_id, weights_id, weights_name
from lic_lightning.runs.job import run_job
from lic_lightning.runs.run import Run

log = logging.getLogger("lic.recognize")

STORED = ("latents", "decoded")  # sources that read a latent store


def recognize(cfg: DictConfig, folder: Path) -> Run:
    """Trains and tests in `folder` the run that `cfg` describes; a finished run is not repeated."""
    source = cfg.task.source
    classification: Classification = instantiate(cfg.dataset)
    run = recognition_run(cfg, folder, classification.name)
    if run.finished:
        log.info("%s is finished: %s (delete the folder to repeat it)", run.cell, run.results)
        return run
    pl.seed_everything(cfg.seed, workers=True)
    codec = None if source == "originals" else instantiate(cfg.codec)
    if codec is not None and cfg.image_size % (stride := spec(cfg.codec.name).stride) and source == "joint":
        raise ValueError(f"image_size={cfg.image_size} must be a multiple of {stride}, the stride of {cfg.codec.name}")
    settings = instantiate(cfg.evaluation)
    kind = "pixels" if source in ("decoded", "originals") else "latents"
    sizes: dict[str, Any] = {"classes": len(classification.classes)}
    if kind == "latents" and codec is not None:  # before the data set is coded: a codec may have no latents
        sizes["channels"] = latent_channels(codec, cfg.codec.name)
    head = instantiate(cfg.head[kind], **sizes)
    view: View = instantiate(cfg.head[f"{kind}_view"])
    data = RecognitionData(
        classification,
        source,
        cfg.image_size,
        view,
        store=open_store(cfg, classification, codec) if source in STORED and codec is not None else None,
        codec=codec,
        **cfg.data,
    )
    data.setup()
    provenance.record(cfg, folder)

    module = _module(cfg, head, codec, view, sizes["classes"])
    info = HeadInfo(classification.classes, view, cfg.image_size)
    start = None if codec is None else for_coding(codec)
    if start is not None:
        info = replace(
            info,
            codec=cfg.codec.name,
            decoder_fingerprint=decoder_fingerprint(start, spec(cfg.codec.name).roles),
            weights=cfg.codec.weights,
            lmbda=cfg.lmbda,
        )
    name = " ".join(dict.fromkeys([run.codec, classification.name, cfg.task.name, cfg.head.name]))
    point = RecognitionPoint(run, name, info, settings, Path(cfg.paths.output) / "reference", start)
    trainer: pl.Trainer = instantiate(
        cfg.trainer,
        enable_progress_bar=bool(cfg.callbacks.get("progress_bar")),
        enable_checkpointing=bool(cfg.callbacks.get("checkpoint")),
        callbacks=[
            *(instantiate(callback) for callback in cfg.callbacks.values() if callback),
            *([Guard(), FreezeTable()] if source == "joint" else []),
            point,
        ],
        logger=[instantiate(logger) for logger in cfg.logger.values() if logger],
    )
    trainer.strategy.checkpoint_io = AtomicCheckpointIO()
    for logger in trainer.loggers:
        logger.log_hyperparams(OmegaConf.to_container(cfg, resolve=True))  # type: ignore[arg-type]
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint_to_resume(cfg.resume, folder), weights_only=True)
    return run


def recognition_run(cfg: DictConfig, folder: Path, dataset: str) -> Run:
    """The run that a config describes: the data set is its category, task and head its objective."""
    trains = cfg.task.source == "joint"
    return Run(
        folder=folder,
        cell=cell_id(cfg),
        curve=curve_id(cfg),
        reference=None,
        reference_name="",
        codec="originals" if cfg.task.source == "originals" else cfg.codec.name,
        category=dataset,
        freeze=cfg.freeze.name if trains else "all",
        objective=f"{cfg.task.name} {cfg.head.name}",
        lmbda=float(cfg.lmbda),
        seed=int(cfg.seed),
        weights=weights_id(cfg, "codec.weights"),
        weights_name=weights_name(cfg),
    )


def open_store(cfg: DictConfig, classification: Classification, codec: nn.Module) -> LatentStore:
    """The latent store of a data set and a codec; what it lacks is coded now.

    `cfg.store` names a folder, whose content must then be of this codec; null chooses one by what it holds.
    """
    images = Resized(classification.dataset, cfg.image_size)
    identity = Identity.of(classification.name.partition("-")[0], cfg.codec.name, codec, images)
    folder = Path(cfg.store) if cfg.store else Path(cfg.paths.output) / "latents" / identity.folder
    if (folder / "store.json").is_file():
        log.info("latent store %s", folder)
    else:
        log.info("coding %d images into the latent store %s", len(images), folder)
    return build_store(folder, identity, images, codec)


def latent_channels(codec: nn.Module, name: str) -> int:
    """M: the channels of ŷ."""
    stride = spec(name).stride
    with torch.no_grad():
        return model_latents(codec, torch.zeros(1, 3, stride, stride))["y_hat"].size(1)


def _module(cfg: DictConfig, head: nn.Module, codec: nn.Module | None, view: View, classes: int) -> pl.LightningModule:
    optimizer, scheduler = instantiate(cfg.optimizer), instantiate(cfg.scheduler)
    if cfg.task.source != "joint":
        return HeadModule(head, classes, optimizer, scheduler)
    assert codec is not None
    if cfg.channels_last:
        codec.to(memory_format=torch.channels_last)
    return JointModule(
        head=head,
        classes=classes,
        weighting=instantiate(cfg.task.weighting),
        view=view,
        codec_lr=cfg.task.codec_lr,
        codec=codec,
        roles=spec(cfg.codec.name).roles,
        freeze=instantiate(cfg.freeze),
        objective=instantiate(cfg.objective.loss),
        optimizer=optimizer,
        scheduler=scheduler,
        quantizer=cfg.quantizer,
    )


@hydra.main(config_path=str(CONF), config_name="recognize", version_base="1.3")
def main(cfg: DictConfig) -> float | None:
    """Hydra's entry point; returns what a sweeper minimizes, the lowest validation loss."""
    return run_job(recognize, cfg)


if __name__ == "__main__":
    main()
