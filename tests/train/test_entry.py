"""The one entry: another system is a class and a config, and gets the parts of the run that it asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from lic_lightning.commands.train import put_together
from lic_lightning.data.batch import Batch
from lic_lightning.evaluation.results import read_rows
from lic_lightning.modules.codec_module import CodecModule
from lic_lightning.runs.run import Run

Lic = Callable[..., Path]


class Adversarial(CodecModule):
    """Manual optimization of a codec against a discriminator, which it holds."""

    def __init__(self, codec: nn.Module, width: int, rate: float, **settings: Any) -> None:
        super().__init__(codec, **settings)
        self.discriminator = nn.Sequential(nn.Conv2d(3, width, 3), nn.Conv2d(width, 1, 3))
        self.rate, self.automatic_optimization = rate, False

    def configure_optimizers(self) -> Any:
        discriminator = torch.optim.Adam(self.discriminator.parameters(), self.rate)
        return [super().configure_optimizers()["optimizer"], discriminator]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            parts = self._parts(batch, "train")
            score = self.discriminator(self.codec(batch.image)["x_hat"]).mean()
            optimizer.zero_grad()
            self.manual_backward(parts["loss"] + score)
            optimizer.step()
        return parts["loss"].detach()


class Told(pl.Callback):
    """A judge that writes which parts it got."""

    def __init__(self, run: Run, start: nn.Module, folder: str) -> None:
        self.run, self.start, self.folder = run, start, Path(folder)

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        moved = not torch.equal(module.codec.g_a[0].weight, self.start.g_a[0].weight)
        held = torch.equal(module.codec.g_s[0].weight, self.start.g_s[0].weight)
        (self.folder / "told.txt").write_text(f"{self.run.codec} {moved} {held}")


@pytest.fixture
def own_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of configs with a module and a judge of one's own."""
    configs = {
        "module/adversarial.yaml": f"defaults: [codec]\n_target_: {__name__}.Adversarial\nwidth: 4\nrate: 0.001\n",
        "judge/told.yaml": f"_target_: {__name__}.Told\nfolder: ${{hydra:runtime.output_dir}}\n",
    }
    for name, text in configs.items():
        (tmp_path / "conf" / name).parent.mkdir(parents=True)
        (tmp_path / "conf" / name).write_text(text)
    monkeypatch.setenv("LIC_CONF", str(tmp_path / "conf"))


MANUAL = ("module=adversarial", "trainer.gradient_clip_val=null")


def test_a_module_with_a_discriminator_and_manual_optimization_is_a_class_and_a_config(
    lic_train: Lic, own_configs: None
) -> None:
    rows = read_rows(lic_train(*MANUAL)).filter(role="tuned")
    assert rows["decoder_found"].unique().to_list() == ["passed"]
    assert rows["withheld"].to_list() == [None] * len(rows)


def test_so_is_a_judge(lic_train: Lic, own_configs: None) -> None:
    [told] = lic_train(*MANUAL, "judge=told").glob("main/*/told.txt")
    assert told.read_text() == "mbt2018-mean True True"


def test_a_part_goes_to_who_has_a_parameter_for_it() -> None:
    cfg = OmegaConf.create({"_target_": f"{__name__}.Told", "folder": "here"})
    judge = put_together(cfg, run="the run", start="the start", reference="nobody asked")
    assert (judge.run, judge.start, judge.folder) == ("the run", "the start", Path("here"))
