"""`lic export --delta`: the tensors that a run changed, exactly, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from lic_lightning import cli
from lic_lightning.bitstream import FileCodec
from lic_lightning.codecs.delta import DeltaError, apply_delta, read_delta
from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.roles import named_tensors, tensor_roles
from lic_lightning.codecs.weights import load_codec, save_state
from lic_lightning.commands.export import export_delta
from lic_lightning.runs.run import WEIGHTS
from lic_lightning.selection.encoders import load_encoders

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


@pytest.fixture
def phone(tmp_path: Path, base: Path) -> Path:
    """The folder of a run whose encoder is another network."""
    codec = load_codec("mbt2018-mean", weights=str(base), lmbda=0.013, analysis="phone")
    with torch.no_grad():
        codec.g_a[0][-1].weight.mul_(60)  # so that its streams hold something
    save_state(codec, tmp_path / "run" / WEIGHTS)
    settings = CONFIG.format(base=base).replace("lmbda: 0.013}", "lmbda: 0.013, analysis: phone}")
    (tmp_path / "run" / "config.yaml").write_text(settings)
    return tmp_path / "run"


def test_a_delta_brings_another_analysis_whole_and_it_writes_the_same_bytes(
    phone: Path, base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "food.delta.safetensors"
    assert cli.main(["export", str(phone), str(out), "--delta"]) == 0
    tuned = load(phone / WEIGHTS)
    assert load_file(out).keys() == {f"g_a.{name}" for name, _ in named_tensors(tuned.g_a)}
    image = torch.randint(256, (3, 100, 80), dtype=torch.uint8)
    encoders = load_encoders(out, FileCodec("mbt2018-mean", load(base)), 0.013)
    written = FileCodec("mbt2018-mean", tuned).encode(image)
    assert encoders["food"].encode(image) == written != encoders["reference"].encode(image)
    assert encoders["reference"].decode(written).equal(encoders["food"].decode(written))


def test_a_delta_belongs_on_a_codec_with_its_own_analysis(phone: Path, tmp_path: Path) -> None:
    out = tmp_path / "food.delta.safetensors"
    with pytest.raises(DeltaError, match=r"the base has the analysis phone: .*--base"):
        export_delta(phone, out, base=str(phone / WEIGHTS))


def test_plain_compressai_is_said_not_to_load_another_analysis(
    phone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", str(phone), str(tmp_path / "out.pth.tar")]) == 0
    assert "plain CompressAI can't load this: its g_a is the analysis phone" in capsys.readouterr().err


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
