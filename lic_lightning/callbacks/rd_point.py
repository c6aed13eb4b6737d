"""At the end of training: the run's RD point, and the curve so far with its BD-rate against the reference."""

from functools import partial
from pathlib import Path

import pytorch_lightning as pl
from torch import nn

from lic_lightning.callbacks.comparison import write_comparison
from lic_lightning.callbacks.judged import decoder_columns, load_best
from lic_lightning.callbacks.rd_report import report
from lic_lightning.codecs.latents import cut
from lic_lightning.codecs.weights import save_state
from lic_lightning.evaluation.evaluate import Settings, for_coding
from lic_lightning.evaluation.point import judge
from lic_lightning.metrics.image import build_metrics
from lic_lightning.modules.codec_module import CodecModule
from lic_lightning.runs.run import WEIGHTS, Run


class RDPoint(pl.Callback):
    """Evaluates the best weights on all test sets, writes the rows, then prints and logs the curve so far.

    Args:
        run: identity and folder.
        start: the codec as it was loaded; where its decoder is fixed, or claimed to be, it decodes the run's strings.
        reference: what the run is judged against, or None.
        settings: how images are coded. What a metric needs and this machine lacks, and a codec that can't be refined,
            is said now, not after training.
        cache: folder of the reference's rows.
    """

    def __init__(
        self, run: Run, start: nn.Module, reference: nn.Module | None, settings: Settings, cache: str | Path
    ) -> None:
        build_metrics(settings.metrics, settings.lpips_trunk)
        if settings.refine:
            settings.refine.check(cut(start))
        self.run, self.start, self.reference = run, start, reference
        self.settings, self.cache = settings, Path(cache)

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Evaluates on the first process only; nothing is recorded for an interrupted training."""
        assert isinstance(module, CodecModule)
        if trainer.interrupted or not trainer.is_global_zero:
            return
        load_best(trainer, module)
        codec = for_coding(module.codec)
        decoder = None if module.freeze_policy.claim(module.codec, module.roles) == "moves" else self.start
        test_sets = trainer.datamodule.test_sets  # type: ignore[attr-defined]
        save_state(codec, self.run.folder / WEIGHTS)
        judge(
            self.run,
            codec,
            decoder_columns(trainer, module, decoder),
            decoder,
            self.reference,
            test_sets,
            self.settings,
            self.cache,
            partial(write_comparison, self.run, codec, self.reference, self.settings),
        )
        report(self.run, trainer.loggers)
