"""`lic export --delta`: the tensors that a run changed, exactly, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from lic_lightning import cli
from lic_lightning.codecs.delta import DeltaError, apply_delta, read_delta
from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.roles import named_tensors, tensor_roles
from lic_lightning.codecs.weights import load_codec, save_state
from lic_lightning.runs.run import WEIGHTS

CONFIG = """\
codec: {{_target_: x, name: mbt2018-mean, weights: {base}, lmbda: 0.013}}
category: {{name: food}}
lmbda: 0.013
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A small codec's file."""
    torch.manual_seed(0)
    save_state(load_codec("mbt2018-mean", lmbda=0.013, N=8, M=12), tmp_path / "base.safetensors")
    return tmp_path / "base.safetensors"


@pytest.fixture
def tune(tmp_path: Path, base: Path) -> Callable[..., Path]:
    """Makes a run's folder, with some modules changed."""

    def made(*modules: str) -> Path:
        codec = load(base)
        with torch.no_grad():
            for name in modules:
                for parameter in codec.get_submodule(name).parameters():
                    parameter.add_(0.01)
        save_state(codec, tmp_path / "run" / WEIGHTS)
        (tmp_path / "run" / "config.yaml").write_text(CONFIG.format(base=base))
        return tmp_path / "run"

    return made


def load(path: Path) -> nn.Module:
    return load_codec("mbt2018-mean", weights=str(path), lmbda=0.013)


def test_only_what_changed_is_stored_and_the_encoder_comes_back_bit_for_bit(
    tune: Callable[..., Path], base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tune("g_a.6", "h_a"), tmp_path / "food.delta.safetensors"
    assert cli.main(["export", str(run), str(out), "--delta"]) == 0
    stored = load_file(out)
    assert {name.rpartition(".")[0] for name in stored} == {"g_a.6", "h_a.0", "h_a.2", "h_a.4"}
    assert f"{len(stored)} tensors" in capsys.readouterr().out
    restored = dict(named_tensors(apply_delta(load(base), read_delta(out))))
    assert all(tensor.equal(restored[name]) for name, tensor in named_tensors(load(run / WEIGHTS)))


def test_a_delta_of_a_whole_encoder_is_as_large_as_the_encoder(tune: Callable[..., Path], tmp_path: Path) -> None:
    run, out = tune("g_a", "h_a"), tmp_path / "food.delta.safetensors"
    assert cli.main(["export", str(run), str(out), "--delta"]) == 0
    codec = load(run / WEIGHTS)
    roles = tensor_roles(codec, spec("mbt2018-mean").roles)
    encoder = sum(4 * p.numel() for name, p in codec.named_parameters() if roles[name] == "encoder")
    assert encoder <= out.stat().st_size < encoder + 4096


def test_a_run_that_moved_its_decoder_is_refused(
    tune: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tune("g_a", "g_s.0"), tmp_path / "food.delta.safetensors"
    assert cli.main(["export", str(run), str(out), "--delta"]) == 2
    assert "the decoder moved (g_s.0." in capsys.readouterr().err
    assert not out.exists()


def test_a_delta_fits_its_base_only(tune: Callable[..., Path], tmp_path: Path) -> None:
    run, out = tune("g_a.6"), tmp_path / "food.delta.safetensors"
    assert cli.main(["export", str(run), str(out), "--delta"]) == 0
    with pytest.raises(DeltaError, match="the delta of food belongs on mbt2018-mean"):
        apply_delta(load(run / WEIGHTS), read_delta(out))


def test_the_base_may_have_moved(tune: Callable[..., Path], base: Path, tmp_path: Path) -> None:
    run = tune("g_a.6")
    moved = base.rename(tmp_path / "moved.safetensors")
    out = tmp_path / "food.delta.safetensors"
    assert cli.main(["export", str(run), str(out), "--delta"]) == 2
    assert cli.main(["export", str(run), str(out), "--delta", "--base", str(moved)]) == 0


def test_refusals(tune: Callable[..., Path], base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tune("g_a.6")
    assert cli.main(["export", str(run), str(tmp_path / "food.safetensors"), "--delta"]) == 2
    assert "ends in .delta.safetensors" in capsys.readouterr().err
    assert cli.main(["export", str(base), str(tmp_path / "food.delta.safetensors"), "--delta"]) == 2
    assert "not the folder of a finished run" in capsys.readouterr().err
    existing = tmp_path / "there.delta.safetensors"
    existing.write_text("precious")
    assert cli.main(["export", str(run), str(existing), "--delta"]) == 2
    assert existing.read_text() == "precious"
    with pytest.raises(DeltaError, match="not the file of a delta"):
        read_delta(existing)
    with pytest.raises(DeltaError, match="not the file of a delta"):
        read_delta(base)
