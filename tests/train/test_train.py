"""`lic train`: from one line of YAML to a results file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lic_lightning.codecs.weights import WeightsError
from lic_lightning.evaluation.results import read_rows
from lic_lightning.runs.folder import RunFolder

Lic = Callable[..., Path]


def only_run(output: Path, sweep: str = "main") -> Path:
    (run,) = (path.parent for path in (output / sweep).glob("*/results.parquet"))
    return run


def test_a_run_leaves_rows_weights_splits_and_provenance(lic_train: Lic) -> None:
    run = only_run(lic_train())
    for name in (
        "codec.safetensors",
        "splits.json",
        "config.yaml",
        "packages.txt",
        "machine.json",
        "train.log",
    ):
        assert (run / name).stat().st_size > 0, name


def test_real_bytes_of_tuned_and_reference_stand_side_by_side(lic_train: Lic) -> None:
    rows = read_rows(lic_train())
    tuned, reference = (rows.filter(role=role).sort("image") for role in ("tuned", "reference"))
    assert tuned["image"].to_list() == reference["image"].to_list()
    assert (tuned["bytes"] > 0).all()
    assert tuned["withheld"].is_null().all()


def test_the_decoder_side_of_the_exported_weights_is_that_of_the_start(lic_train: Lic) -> None:
    start = only_run(lic_train("freeze=none", "sweep=start"), "start") / "codec.safetensors"
    tuned = only_run(lic_train("codec.N=null", "codec.M=null", f"codec.weights={start}")) / "codec.safetensors"
    before, after = load_file(start), load_file(tuned)
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"g_a", "h_a"}


def test_a_run_starts_from_a_finished_one_of_its_sweep(lic_train: Lic) -> None:
    start = only_run(lic_train("freeze=none"))
    lic_train(f"codec.weights=run:{start.name}", "debug=fdr", "sweep=main")
    lic_train(f"codec.weights=run:main/{start.name}", "debug=fdr", "sweep=other")
    before = load_file(start / "codec.safetensors")
    for config in start.parents[1].glob("*/*/config.yaml"):
        after = load_file(config.with_name("codec.safetensors"))
        assert all(torch.equal(after[name], tensor) for name, tensor in before.items() if name.startswith("g_s"))
        if config.parent != start:  # what is written down is the run, which its readers follow, and no path
            assert RunFolder(config.parent).codec_settings()["weights"] == str(start / "codec.safetensors")
    assert len(list(start.parents[1].glob("*/*/codec.safetensors"))) == 3


def test_a_run_that_is_not_finished_is_named(lic_train: Lic, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"codec\.weights=run:0123456789ab: cell 0123456789ab is not finished"):
        lic_train("codec.weights=run:0123456789ab")


def test_a_finished_run_is_not_repeated(lic_train: Lic) -> None:
    results = only_run(lic_train()) / "results.parquet"
    before = results.stat().st_mtime_ns
    lic_train()
    assert results.stat().st_mtime_ns == before


@pytest.mark.parametrize("freeze", ["encoder_only", "none"])
@pytest.mark.parametrize("stop_after", [1, 2])
def test_a_killed_run_goes_on_exactly(
    lic_train: Lic, freeze: str, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after an epoch and resumed, a run ends with the bits of one that was never interrupted."""
    settings = (
        f"freeze={freeze}",
        "trainer.max_epochs=4",
        "scheduler.factory.patience=0",
        "data.epoch_size=6",
    )
    whole = load_file(only_run(lic_train(*settings, "sweep=whole"), "whole") / "codec.safetensors")

    from lic_lightning.modules.codec_module import CodecModule

    step = CodecModule.training_step

    def killed(self: CodecModule, batch: object, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == stop_after and batch_idx == 1:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    monkeypatch.setattr(CodecModule, "training_step", killed)
    with pytest.raises(SystemExit):
        lic_train(*settings, "sweep=halves")
    monkeypatch.setattr(CodecModule, "training_step", step)
    resumed = load_file(only_run(lic_train(*settings, "sweep=halves"), "halves") / "codec.safetensors")
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
