"""Each way in which a fixed decoder breaks in silence (facts/traps.md, 1) is caught twice: by the guard while training,
and by the cross-decode when the strings are judged. Whatever else is frozen is the guard's alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from lic_lightning.callbacks.guard import FrozenMovedError, Guard
from lic_lightning.callbacks.rd_point import RDPoint
from lic_lightning.codecs.freeze import FreezePolicy
from lic_lightning.codecs.weights import load_codec
from lic_lightning.data.batch import Batch
from lic_lightning.data.recognition import Features
from lic_lightning.evaluation.image_row import image_rows
from lic_lightning.evaluation.results import read_rows
from lic_lightning.modules.codec_module import CodecModule
from lic_lightning.modules.head_module import HeadModule
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


RD = MSE(0.0130)


def fit(
    codec: nn.Module,
    image: torch.Tensor,
    *callbacks: pl.Callback,
    policy: FreezePolicy = ENCODER_ONLY,
    objective: Any = RD,
) -> None:
    module = CodecModule(codec, "mbt2018-mean", policy, objective, partial(torch.optim.Adam, lr=1e-4))
    run(module, Batch(image=image[None].float() / 255, name=["astronaut"]), *callbacks)


def run(module: pl.LightningModule, batch: Any, *callbacks: pl.Callback) -> None:
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

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *args: object) -> None:
        self.sabotage(module.codec if isinstance(module, CodecModule) else module)


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda s: s.__name__)
def test_the_guard_stops_the_run_and_names_the_tensor(
    sabotage: Sabotage, codec: nn.Module, image: torch.Tensor
) -> None:
    with pytest.raises(FrozenMovedError, match=NAMES[sabotage]):
        fit(codec, image, Saboteur(sabotage), Guard())


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda s: s.__name__)
def test_the_cross_decode_withholds_the_point(sabotage: Sabotage, codec: nn.Module, image: torch.Tensor) -> None:
    reference = copy.deepcopy(codec)
    sabotage(codec)
    (row,) = image_rows(image, codec, reference, name="mbt2018-mean", metrics={})
    assert row["withheld"].startswith("cross-decode")


def test_an_honest_run_passes_guard_and_cross_decode(codec: nn.Module, image: torch.Tensor) -> None:
    reference = copy.deepcopy(codec)
    fit(codec, image, Guard())
    assert not torch.equal(codec.g_a[0].weight, reference.g_a[0].weight), "the encoder did not train"
    (row,) = image_rows(image, codec.eval(), reference, name="mbt2018-mean", metrics={})
    assert row["withheld"] is None
    assert row["bytes"] > 100, "the strings carry nothing, so nothing was shown"


def test_training_the_decoder_on_purpose_is_not_guarded(codec: nn.Module, image: torch.Tensor) -> None:
    before = codec.g_s[6].weight.clone()
    guard = Guard()
    fit(codec, image, guard, policy=FreezePolicy("none", ["encoder", "decoder", "entropy"]))
    assert not torch.equal(codec.g_s[6].weight, before), "the decoder did not train"
    assert guard.digests == {}


def test_where_the_bottleneck_trains_its_quantiles_and_tables_alone_may_follow(
    codec: nn.Module, image: torch.Tensor
) -> None:
    policy = FreezePolicy("bottleneck", ["entropy_bottleneck.biases"])
    before = codec.entropy_bottleneck.quantiles.clone()
    fit(codec, image, Guard(), policy=policy)
    assert not torch.equal(codec.entropy_bottleneck.quantiles, before), "the quantiles were not solved anew"
    with pytest.raises(FrozenMovedError, match=r"entropy_bottleneck\.matrices\.0"):
        fit(
            codec,
            image,
            Saboteur(lambda codec: codec.entropy_bottleneck.matrices[0].data.add_(1)),
            Guard(),
            policy=policy,
        )


def test_a_frozen_part_of_the_encoder_is_guarded_too(codec: nn.Module, image: torch.Tensor) -> None:
    policy = FreezePolicy("last", ["g_a.6", "h_a"])
    fit(copy.deepcopy(codec), image, Guard(), policy=policy)
    with pytest.raises(FrozenMovedError, match=r"under freeze=last codec\.g_a\.0\.weight must stay"):
        fit(codec, image, Saboteur(lambda codec: codec.g_a[0].weight.data.mul_(1.001)), Guard(), policy=policy)


class WithNetwork(nn.Module):
    """R + λD on features of a network with a running mean, which nobody thought of freezing."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))

    def forward(self, output: dict[str, Any], batch: Batch) -> dict[str, torch.Tensor]:
        parts = MSE(0.0130)(output, batch)
        distance = (self.features(output["x_hat"]) - self.features(batch.image)).square().mean()
        return {**parts, "loss": parts["loss"] + distance}


def test_an_objective_s_network_stands_still_and_is_guarded(codec: nn.Module, image: torch.Tensor) -> None:
    objective = WithNetwork()
    before = copy.deepcopy(objective.state_dict())
    fit(copy.deepcopy(codec), image, Guard(), objective=objective)
    assert all(torch.equal(tensor, before[name]) for name, tensor in objective.state_dict().items())
    for moved in (objective.features[0].weight, objective.features[1].running_mean):
        with pytest.raises(FrozenMovedError, match=r"objective\.features"):
            fit(copy.deepcopy(codec), image, Saboteur(lambda _, t=moved: t.data.add_(1)), Guard(), objective=objective)


def test_the_frozen_part_of_a_head_is_guarded() -> None:
    head = nn.ModuleDict({"front": nn.Conv2d(3, 4, 3), "last": nn.Linear(4, 2)})
    head.forward = lambda x: head["last"](head["front"](x["image"]).mean((2, 3)))  # type: ignore[method-assign]
    head["front"].requires_grad_(False)
    batch = Features({"image": torch.rand(2, 3, 8, 8)}, torch.tensor([0, 1]), ["a", "b"])
    data = SimpleNamespace(classes=("a", "b"), sizes={})
    module = HeadModule(data, lambda: head, partial(torch.optim.SGD, lr=0.1))
    run(module, batch, Guard())
    with pytest.raises(FrozenMovedError, match=r"head\.front\.weight"):
        run(module, batch, Saboteur(lambda module: module.head["front"].weight.data.add_(1)), Guard())


def test_an_edit_of_the_best_weights_is_found_before_a_row_is_written(
    lic_train: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = RDPoint.on_fit_end

    def edited(self: RDPoint, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        path = trainer.checkpoint_callback.best_model_path  # type: ignore[union-attr]
        checkpoint = torch.load(path, weights_only=True)
        checkpoint["state_dict"]["codec.gaussian_conditional._quantized_cdf"][0, 1] += 1
        torch.save(checkpoint, path)
        judge(self, trainer, module)

    monkeypatch.setattr(RDPoint, "on_fit_end", edited)
    with pytest.raises(FrozenMovedError, match=r"gaussian_conditional\._quantized_cdf.*in the weights that are judged"):
        lic_train()
    assert not list((tmp_path / "outputs").glob("**/results.parquet"))


def test_a_checkpoint_with_another_decoder_is_refused_before_training(
    lic_train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What that run's guard recorded counts for nothing."""
    [other] = (lic_train("freeze=none", "sweep=other") / "other").glob("*/checkpoints/last.ckpt")

    def step(*_: object) -> None:
        raise AssertionError("a step was taken")

    monkeypatch.setattr(CodecModule, "training_step", step)
    with pytest.raises(
        FrozenMovedError, match=r"under freeze=encoder_only codec\..* are others in the checkpoint .*/other/"
    ):
        lic_train(f"resume={other}", "trainer.max_epochs=2")


def test_the_rows_say_what_was_claimed_checked_and_found(lic_train: Callable[..., Path]) -> None:
    sweeps = {"fixed": "freeze=encoder_only", "moves": "freeze=none", "unguarded": "callbacks.guard=null"}
    told = {}
    for sweep, override in sweeps.items():
        rows = read_rows(lic_train(override, f"sweep={sweep}", "debug=fdr") / sweep).filter(role="tuned")
        [told[sweep]] = rows.select("decoder_claim", "decoder_checks", "decoder_found").unique().rows()
    assert told == {
        "fixed": ("fixed", "guard, cross-decode", "passed"),
        "moves": ("moves", "", None),
        "unguarded": ("fixed", "cross-decode", "passed"),
    }
