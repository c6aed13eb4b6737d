"""At the end of training: the run's RD point, and the curve so far with its BD-rate against the reference."""

from __future__ import annotations

from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import nn

from lic_lightning.callbacks.comparison import write_comparison
from lic_lightning.callbacks.rd_report import report
from lic_lightning.codecs import entropy
from lic_lightning.codecs.fingerprint import decoder_fingerprint
from lic_lightning.codecs.weights import save_state
from lic_lightning.evaluation.evaluate import Settings, for_coding
from lic_lightning.evaluation.point import judge
from lic_lightning.modules.codec_module import CodecModule
from lic_lightning.runs.run import WEIGHTS, Run


class RDPoint(pl.Callback):
    """Evaluates the best weights on all test sets, writes the rows, then prints and logs the curve so far.

    Args:
        run: identity and folder.
        start: the codec as it was loaded; where its decoder is fixed, or claimed to be, it decodes the run's strings.
        reference: what the run is judged against, or None.
        settings: how images are coded.
        cache: folder of the reference's rows.
    """

    def __init__(
        self, run: Run, start: nn.Module, reference: nn.Module | None, settings: Settings, cache: Path
    ) -> None:
        self.run, self.start, self.reference, self.settings, self.cache = (
            run,
            start,
            reference,
            settings,
            cache,
        )

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Evaluates on the first process only; nothing is recorded for an interrupted training."""
        assert isinstance(module, CodecModule)
        if trainer.interrupted or not trainer.is_global_zero:
            return
        codec = best_codec(trainer, module)
        test_sets = trainer.datamodule.test_sets  # type: ignore[attr-defined]
        save_state(codec, self.run.folder / WEIGHTS)
        for name, images in test_sets.items():  # before the rows, with which the run counts as finished
            write_comparison(self.run, codec, self.reference, name, images)
        judge(
            self.run,
            codec,
            decoder_fingerprint(codec, module.roles),
            self.start if module.fixes_decoder or module.freeze_policy.deployed else None,
            self.reference,
            test_sets,
            self.settings,
            self.cache,
        )
        report(self.run, trainer.loggers)


def best_codec(trainer: pl.Trainer, module: CodecModule) -> nn.Module:
    """A copy of the codec with the weights of the lowest `val/loss`, or the last ones where none were kept."""
    codec = for_coding(module.codec)
    best = getattr(trainer.checkpoint_callback, "best_model_path", "")
    if best:
        state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
        entropy.fit_cdf_buffers(codec, state, prefix="codec.")
        nn.Module.load_state_dict(codec, {name.removeprefix("codec."): t for name, t in state.items()})
    elif not module.fixes_decoder:
        entropy.solve_quantiles(codec)
    return codec
