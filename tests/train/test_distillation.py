"""An encoder that learns known latents: those of the codec's own encoder, or refined ones of fixed squares."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from lic_lightning.codecs import entropy
from lic_lightning.codecs.freeze import FreezePolicy
from lic_lightning.codecs.latents import cut
from lic_lightning.codecs.padding import Frame, to_float
from lic_lightning.codecs.weights import load_codec, save_state
from lic_lightning.data.dataset import Category
from lic_lightning.data.images import read_image
from lic_lightning.data.layouts.folder import FolderDataset
from lic_lightning.data.refined import RefinedData, Tiles
from lic_lightning.evaluation.results import read_rows
from lic_lightning.modules.distillation import DistillationModule
from lic_lightning.objectives import MSE
from lic_lightning.refinement import Refinement
from lic_lightning.runs.run import WEIGHTS

MEAN = "mbt2018-mean"
Lic = Callable[..., Path]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The file of a small codec whose streams hold something."""
    torch.manual_seed(0)
    codec = load_codec(MEAN, lmbda=0.013, N=8, M=12)
    with torch.no_grad():
        codec.g_a[6].weight.mul_(60)
        for key, parameter in codec.named_parameters():
            if key.startswith("h_s") or "bottleneck.biases" in key:
                parameter.add_(0.2 * torch.randn_like(parameter))
    entropy.solve_quantiles(codec)
    save_state(codec, tmp_path / "base.safetensors")
    return tmp_path / "base.safetensors"


def load(path: Path, **settings: object) -> nn.Module:
    return load_codec(MEAN, weights=str(path), lmbda=0.013, **settings)


def distance(one: nn.Module, other: nn.Module, image: Path) -> float:
    x = to_float(read_image(image)[:, :128, :128])
    with torch.no_grad():
        return (one.g_a(x) - other.g_a(x)).square().mean().item()


def test_another_network_comes_nearer_to_the_codec_s_own_latents_and_nothing_else_moves(
    lic_train: Lic, base: Path, photographs: Path
) -> None:
    settings = (f"codec.weights={base}", "codec.analysis=phone", "optimizer.lr=1e-2", "trainer.max_epochs=10")
    [run] = (lic_train("module=distillation", *settings) / "main").glob("*")
    pl.seed_everything(0)
    teacher, start, end = load(base), load(base, analysis="phone"), load(run / WEIGHTS)
    picture = photographs / "food" / "0.png"
    assert distance(teacher, end, picture) < 0.7 * distance(teacher, start, picture)
    assert end.h_a[0].weight.equal(teacher.h_a[0].weight)
    assert read_rows(run).filter(role="tuned")["decoder_found"].unique().to_list() == ["passed"]
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert checkpoint.keys() == {f"codec.{name}" for name in end.state_dict()}, "the teacher is no part of the run"


def test_latents_of_another_decoder_are_no_target(base: Path) -> None:
    other = load(base)
    with torch.no_grad():
        other.g_s[0].weight.add_(1)
    settings = {"freeze": FreezePolicy("encoder_only", ["encoder"]), "objective": MSE(0.013)}
    with pytest.raises(ValueError, match="the reference has another decoder"):
        DistillationModule(
            codec=load(base), name=MEAN, reference=other, optimizer=partial(torch.optim.Adam, lr=1e-3), **settings
        )


def refined_data(photographs: Path, stores: Path, codec: nn.Module, lmbda: float = 0.013) -> RefinedData:
    return RefinedData(
        category=Category("food", FolderDataset(photographs / "food"), {"train": 2, "val": 1, "test": 1}),
        refine=Refinement("fast", MSE(lmbda)),
        codec_name=MEAN,
        stores=stores,
        reference=codec,
        crop=64,
        batch_size=2,
        workers=0,
    )


def test_a_square_comes_with_the_latents_that_its_refinement_writes(
    base: Path, photographs: Path, tmp_path: Path
) -> None:
    codec = load(base)
    data = refined_data(photographs, tmp_path, codec)
    data.setup()
    batch = next(iter(data.train_dataloader()))
    changed = 0
    for name, image, y_hat in zip(batch.name, batch.image, batch.y_hat, strict=True):
        pixels = data.tiles[data.tiles.names.index(name)].image
        assert to_float(pixels)[0].equal(image)
        own = cut(codec)
        with torch.no_grad():
            plain = own.analyse(image[None])
            written = data.refine(own, plain, pixels, Frame.of(pixels, 64)).latents
        assert y_hat.equal(written.y_hat[0])
        changed += int((y_hat != plain.y_hat[0]).sum())
    assert changed > 0, "nothing was refined, so nothing was shown"


def test_latents_refined_under_another_lambda_are_another_store(base: Path, photographs: Path, tmp_path: Path) -> None:
    stores = [refined_data(photographs, tmp_path, load(base), lmbda).store for lmbda in (0.013, 0.025, 0.013)]
    assert stores[0].folder == stores[2].folder != stores[1].folder


def test_tiles_are_whole_squares_around_the_middle(photographs: Path) -> None:
    dataset = FolderDataset(photographs / "food")  # 192×176
    tiles = Tiles(dataset, 64)
    assert len(tiles) == 8 * 3 * 2
    [first, *_] = tiles.names
    assert first == f"{dataset.names[0]}@0,24"
    assert tiles[0].image.equal(dataset[0].image[:, :64, 24:88])


def test_a_run_learns_refined_latents_and_a_second_one_finds_them(
    lic_train: Lic, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("module=distillation", "data=refined", "data.refine.preset=fast", f"codec.weights={base}")
    output = lic_train(*settings)
    assert read_rows(output / "main").filter(role="tuned")["decoder_found"].unique().to_list() == ["passed"]
    monkeypatch.setattr(Refinement, "__call__", lambda *_: pytest.fail("refined again"))
    lic_train(*settings, "seed=1")
