"""`lic train`: one training and what it is judged by, put together from config.

    cfg.start     what the run starts from: a codec with its weights, or nothing
    cfg.data      the photographs, as batches and as whole pictures to be judged on
    cfg.module    what trains, by which objective, under which freeze policy
    cfg.judge     what is made of the best weights: rows, tables, files
    cfg.callbacks guard, checkpoints, …

Each names a class; its constructor gets those of the run's parts that it names (`codec`, `start`, `reference`, `data`,
`run`, `stride`), and the rest from its config. So another system is another class and another config, and nothing here.
"""

import copy
import inspect
import logging
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.weights import WeightsError
from lic_lightning.data.dataset import DatasetNotFoundError
from lic_lightning.data.splits import SPLITS
from lic_lightning.runs import provenance
from lic_lightning.runs.checkpoint import AtomicCheckpointIO, checkpoint_to_resume
from lic_lightning.runs.identity import CONF, RUN, run_of
from lic_lightning.runs.job import cause, joins, run_job
from lic_lightning.runs.run import RESULTS, WEIGHTS, Run

log = logging.getLogger("lic.train")


def train(cfg: DictConfig, folder: Path) -> Run:
    """Trains and judges in `folder` the run that `cfg` describes; a finished run is not repeated."""
    run = run_of(cfg, folder)
    if run.finished and not cfg.trainer.get("fast_dev_run"):
        hold_to_photographs(cfg, folder)
        log.info("%s is finished: %s (delete the folder to repeat it)", run.name, run.results)
    else:
        log.info("%s in %s", run.name, folder)
        fit(cfg, folder, run=run)
    return run


def fit(cfg: DictConfig, folder: Path, **parts: Any) -> None:
    """Puts together what `cfg` names, trains it, and has it judged."""
    written, cfg = cfg, with_weights(cfg)
    pl.seed_everything(cfg.seed, workers=True)
    codec = instantiate(cfg.start)
    start = copy.deepcopy(codec)
    parts |= {"codec": codec, "start": start, "reference": reference(cfg, start), **_stride(cfg)}
    if codec is not None and cfg.channels_last:
        codec.to(memory_format=torch.channels_last)
    if codec is not None and cfg.compile:
        codec.compile()
    judge = put_together(cfg.judge, **parts)
    data = put_together(cfg.data, **parts)
    if not joins() and not any(folder.glob("checkpoints/*.ckpt")):  # an earlier start made nothing of its photographs
        (folder / SPLITS).unlink(missing_ok=True)
    data.keep_splits(folder / SPLITS)
    module = put_together(cfg.module, data=data, **parts)
    data.setup()
    provenance.record(written, folder)
    trainer: pl.Trainer = instantiate(
        cfg.trainer,
        enable_progress_bar=bool(cfg.callbacks.get("progress_bar")),
        enable_checkpointing=bool(cfg.callbacks.get("checkpoint")),
        callbacks=[*(instantiate(callback) for callback in cfg.callbacks.values() if callback), judge],
        logger=[instantiate(logger) for logger in cfg.logger.values() if logger],
    )
    trainer.strategy.checkpoint_io = AtomicCheckpointIO()
    for logger in trainer.loggers:
        logger.log_hyperparams(OmegaConf.to_container(cfg, resolve=True))  # type: ignore[arg-type]
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint_to_resume(cfg.resume, folder), weights_only=True)


def hold_to_photographs(cfg: DictConfig, folder: Path) -> None:
    """Compares the photographs that `cfg` names with those that the finished run in `folder` was made from.

    Raises:
        PhotographsChangedError: they are others.
    """
    if not (folder / SPLITS).is_file():
        return
    try:
        data = put_together(cfg.data)
    except InstantiationException as error:
        if not isinstance(missing := cause(error), DatasetNotFoundError):
            raise
        log.info("the photographs of %s are not here, its results stay: %s", folder, missing)
    else:
        data.keep_splits(folder / SPLITS)


def put_together(cfg: DictConfig, **parts: Any) -> Any:
    """The object that `cfg` describes; its constructor gets those of `parts` that it has a parameter for."""
    made = instantiate(cfg, _partial_=True)
    return made(**{name: part for name, part in parts.items() if name in inspect.signature(made.func).parameters})


def with_weights(cfg: DictConfig) -> DictConfig:
    """The config with a file where its codecs start from a finished run: `run:<cell>` of the same sweep, or
    `run:<sweep>/<cell>`.

    Raises:
        WeightsError: that run is not finished, or trained no codec.
    """
    cfg = copy.deepcopy(cfg)
    for key in ("codec.weights", "reference.codec.weights"):
        named = str(OmegaConf.select(cfg, key))
        if named.startswith(RUN):
            sweep, _, cell = named.removeprefix(RUN).rpartition("/")
            folder = Path(cfg.paths.output) / (sweep or cfg.sweep) / cell
            if not ((folder / RESULTS).is_file() and (folder / WEIGHTS).is_file()):
                raise WeightsError(
                    f"{key}={named}: cell {cell} is not finished, {folder} has no {WEIGHTS} with {RESULTS}"
                )
            OmegaConf.update(cfg, key, str(folder / WEIGHTS))
    return cfg


def reference(cfg: DictConfig, start: nn.Module | None) -> nn.Module | None:
    """What the run is judged against: the untouched start, other weights, or nothing. Its analysis is its weights'."""
    if cfg.reference.codec is None:
        return None
    started = cfg.reference.codec == cfg.codec and cfg.codec.get("analysis") is None
    return start if started else instantiate(cfg.reference.codec, analysis=None)


def _stride(cfg: DictConfig) -> dict[str, int]:
    """That of the codec for which crops are cut."""
    if "crop" not in cfg.data:
        return {}
    if cfg.data.crop % (stride := spec(cfg.codec.name).stride):
        raise ValueError(f"data.crop={cfg.data.crop} must be a multiple of {stride}, the stride of {cfg.codec.name}")
    return {"stride": stride}


@hydra.main(config_path=str(CONF), config_name="train", version_base="1.3")
def main(cfg: DictConfig) -> float | None:
    """Hydra's entry point; returns what a sweeper minimizes, the lowest validation loss."""
    return run_job(train, cfg)


if __name__ == "__main__":
    main()
