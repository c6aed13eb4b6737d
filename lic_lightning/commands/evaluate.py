"""`lic evaluate`: real bytes of given weights on test sets. Trains nothing; writes rows as a training run does."""

import logging
from pathlib import Path

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig

from lic_lightning.callbacks.rd_report import report
from lic_lightning.codecs.fingerprint import decoder_fingerprint
from lic_lightning.codecs.registry import spec
from lic_lightning.commands.train import hold_to_photographs, reference, with_weights
from lic_lightning.data.splits import SPLITS
from lic_lightning.evaluation.point import judge, untrained
from lic_lightning.runs import provenance
from lic_lightning.runs.identity import CONF, run_of
from lic_lightning.runs.job import run_job
from lic_lightning.runs.run import Run

log = logging.getLogger("lic.evaluate")


def evaluate(cfg: DictConfig, folder: Path) -> Run:
    """Evaluates the weights that `cfg` names on its test sets, and on the test split of its category if it has one."""
    run = run_of(cfg, folder)
    if run.finished:
        log.info("%s is finished: %s (delete the folder to repeat it)", run.name, run.results)
        hold_to_photographs(cfg, folder)
    else:
        written, cfg = cfg, with_weights(cfg)
        codec, data = instantiate(cfg.codec), instantiate(cfg.data)
        (folder / SPLITS).unlink(missing_ok=True)  # of a start that made nothing
        data.keep_splits(folder / SPLITS)
        provenance.record(written, folder)
        cache = Path(cfg.paths.output) / "reference"
        settings = instantiate(cfg.evaluation)
        decoder = codec if settings.refine else None  # what is refined, another copy of the decoder must read
        checks = "cross-decode" if settings.refine else ""
        claimed = untrained(decoder_fingerprint(codec, spec(cfg.codec.name).roles), checks)
        judge(run, codec, claimed, decoder, reference(cfg, codec), data.test_sets, settings, cache)
    loggers = [instantiate(logger) for logger in cfg.logger.values() if logger]
    report(run, loggers)
    for logger in loggers:
        logger.finalize("success")
    return run


@hydra.main(config_path=str(CONF), config_name="evaluate", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Hydra's entry point."""
    run_job(evaluate, cfg)


if __name__ == "__main__":
    main()
