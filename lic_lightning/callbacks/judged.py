"""What is judged after a training: the best weights, held to the guard; and what the rows say of the decoder."""

import pytorch_lightning as pl
import torch
from torch import nn

from lic_lightning.callbacks.guard import Guard
from lic_lightning.codecs import entropy
from lic_lightning.codecs.fingerprint import decoder_fingerprint
from lic_lightning.codecs.freeze import trains_bottleneck
from lic_lightning.evaluation.image_row import Row
from lic_lightning.modules.codec_module import CodecModule


def load_best(trainer: pl.Trainer, module: pl.LightningModule) -> None:
    """Puts the weights of the lowest `val/loss` into the module; the last ones stay where none were kept.

    Raises:
        FrozenMovedError: what is frozen differs from what the run started from.
    """
    best = getattr(trainer.checkpoint_callback, "best_model_path", "")
    if best:
        module.load_state_dict(torch.load(best, map_location="cpu", weights_only=True)["state_dict"])
    elif isinstance(module, CodecModule) and trains_bottleneck(module.codec):
        entropy.solve_quantiles(module.codec)
    for guard in _guards(trainer):
        guard.check(module, f"in the weights that are judged, {best or 'the last ones'}")


def decoder_columns(trainer: pl.Trainer, module: CodecModule, decoder: nn.Module | None) -> Row:
    """What the rows of a codec that has trained say of its decoder; `decoder` is the one that reads its strings."""
    checks = {"guard": bool(_guards(trainer)), "cross-decode": decoder is not None}
    return {
        "decoder_fingerprint": decoder_fingerprint(module.codec, module.roles),
        "decoder_claim": module.freeze_policy.claim(module.codec, module.roles),
        "decoder_checks": ", ".join(name for name, ran in checks.items() if ran),
    }


def _guards(trainer: pl.Trainer) -> list[Guard]:
    return [callback for callback in trainer.callbacks if isinstance(callback, Guard) and callback.digests]  # type: ignore[attr-defined]
