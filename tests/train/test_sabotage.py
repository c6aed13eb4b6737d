"""Each way in which a fixed decoder breaks in silence (facts/traps.md, 1) is caught twice: by the guard while training,
and by the cross-decode when the strings are judged."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from lic_lightning.callbacks.decoder_guard import DecoderGuard, DecoderMovedError
from lic_lightning.codecs.freeze import FreezePolicy
from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.weights import load_codec
from lic_lightning.data.batch import Batch
from lic_lightning.evaluation.image_row import image_row
from lic_lightning.modules.codec_module import CodecModule
from lic_lightning.objectives import MSE

Sabotage = Callable[[nn.Module], None]


def auxiliary_optimizer(codec: nn.Module) -> None:
    codec.entropy_bottleneck.quantiles.requires_grad_(True)
    optimizer = torch.optim.Adam([codec.entropy_bottleneck.quantiles], lr=1e-4)
    codec.aux_loss().backward()
    optimizer.step()
    codec.entropy_bottleneck.quantiles.requires_grad_(False)


def update_quantiles(codec: nn.Module) -> None:
    codec.update(force=True, update_quantiles=True)


def moved_buffer(codec: nn.Module) -> None:
    codec.gaussian_conditional.scale_table.mul_(1.05)


def one_ulp_in_synthesis(codec: nn.Module) -> None:
    weight = codec.g_s[6].weight
    with torch.no_grad():
        weight.view(-1)[0] = torch.nextafter(weight.view(-1)[0], torch.tensor(torch.inf))


def one_ulp_in_hyper_synthesis(codec: nn.Module) -> None:
    with torch.no_grad():
        codec.h_s[4].weight.copy_(torch.nextafter(codec.h_s[4].weight, torch.full((), torch.inf)))


SABOTAGES = [
    auxiliary_optimizer,
    update_quantiles,
    moved_buffer,
    one_ulp_in_synthesis,
    one_ulp_in_hyper_synthesis,
]
NAMES = {
    auxiliary_optimizer: "entropy_bottleneck.quantiles",
    update_quantiles: "entropy_bottleneck",
    moved_buffer: "gaussian_conditional.scale_table",
    one_ulp_in_synthesis: "g_s.6.weight",
    one_ulp_in_hyper_synthesis: "h_s.4.weight",
}


@pytest.fixture
def codec() -> nn.Module:
    """A small codec whose latents are spread out, so that its strings carry something."""
    torch.manual_seed(0)
    codec = load_codec("mbt2018-mean", lmbda=0.0130, N=8, M=12)
    with torch.no_grad():
        codec.g_a[6].weight.mul_(40)
        codec.h_a[4].weight.mul_(20)
        for parameter in (*codec.h_s.parameters(), *codec.entropy_bottleneck.biases):
            parameter.add_(0.3 * torch.randn_like(parameter))
    codec.update(force=True, update_quantiles=True)
    with torch.no_grad():
        codec.entropy_bottleneck.quantiles.add_(0.02)  # as an auxiliary optimizer leaves them: near, not exact
    codec.update(force=True)
    return codec


@pytest.fixture
def image() -> torch.Tensor:
    from skimage import data

    return torch.from_numpy(data.astronaut()[:128, 128:256].copy()).permute(2, 0, 1)


ENCODER_ONLY = FreezePolicy("encoder_only", ["encoder"])


def fit(codec: nn.Module, image: torch.Tensor, *callbacks: pl.Callback, policy: FreezePolicy = ENCODER_ONLY) -> None:
    module = CodecModule(
        codec,
        spec("mbt2018-mean").roles,
        policy,
        MSE(0.0130),
        partial(torch.optim.Adam, lr=1e-4),
    )
    batch = Batch(image=image[None].float() / 255, name=["astronaut"])
    loader = DataLoader([batch], batch_size=None)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
    )
    trainer.fit(module, loader, loader)


class Saboteur(pl.Callback):
    def __init__(self, sabotage: Sabotage) -> None:
        self.sabotage = sabotage

    def on_train_batch_end(self, trainer: pl.Trainer, module: CodecModule, *args: object) -> None:
        self.sabotage(module.codec)


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda s: s.__name__)
def test_the_guard_stops_the_run_and_names_the_tensor(
    sabotage: Sabotage, codec: nn.Module, image: torch.Tensor
) -> None:
    with pytest.raises(DecoderMovedError, match=NAMES[sabotage]):
        fit(codec, image, Saboteur(sabotage), DecoderGuard())


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda s: s.__name__)
def test_the_cross_decode_withholds_the_point(sabotage: Sabotage, codec: nn.Module, image: torch.Tensor) -> None:
    reference = copy.deepcopy(codec)
    sabotage(codec)
    row = image_row(image, codec, reference, stride=64, metrics={})
    assert row["withheld"].startswith("cross-decode")


def test_an_honest_run_passes_guard_and_cross_decode(codec: nn.Module, image: torch.Tensor) -> None:
    reference = copy.deepcopy(codec)
    fit(codec, image, DecoderGuard())
    assert not torch.equal(codec.g_a[0].weight, reference.g_a[0].weight), "the encoder did not train"
    row = image_row(image, codec.eval(), reference, stride=64, metrics={})
    assert row["withheld"] is None
    assert row["bytes"] > 100, "the strings carry nothing, so nothing was shown"


def test_training_the_decoder_on_purpose_is_not_guarded(codec: nn.Module, image: torch.Tensor) -> None:
    before = codec.g_s[6].weight.clone()
    guard = DecoderGuard()
    fit(codec, image, guard, policy=FreezePolicy("none", ["encoder", "decoder", "entropy"]))
    assert not torch.equal(codec.g_s[6].weight, before), "the decoder did not train"
    assert guard.fingerprint == ""
