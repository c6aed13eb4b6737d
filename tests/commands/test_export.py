"""`lic export`: what plain CompressAI loads, codes and measures."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from compressai.models import Elic2022Official
from compressai.utils.eval_model.__main__ import main as eval_model
from compressai.zoo.image import model_architectures as architectures
from torch import nn

from lic_lightning import cli
from lic_lightning.codecs import entropy
from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.roles import named_tensors
from lic_lightning.codecs.weights import load_codec, save_state
from lic_lightning.commands.export import rebuilds_cdfs
from lic_lightning.data.layouts.folder import FolderDataset
from lic_lightning.evaluation.evaluate import Settings, evaluate
from lic_lightning.runs.run import WEIGHTS

TINY = {
    "bmshj2018-factorized": {"N": 8, "M": 12},
    "bmshj2018-hyperprior": {"N": 8, "M": 12},
    "mbt2018-mean": {"N": 8, "M": 12},
    "mbt2018": {"N": 12, "M": 12},
    "cheng2020-anchor": {"N": 8},
    "cheng2020-attn": {"N": 8},
}


def tiny(name: str = "mbt2018-mean") -> nn.Module:
    """A small codec whose densities have moved away from their start."""
    torch.manual_seed(0)
    codec = load_codec(name, lmbda=0.013, **TINY[name])
    with torch.no_grad():
        for parameter in codec.entropy_bottleneck.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    entropy.solve_quantiles(codec)
    return codec


def same(one: nn.Module, other: nn.Module) -> bool:
    """True if two codecs agree in every parameter and buffer, bit for bit."""
    tensors = dict(named_tensors(other))
    return all(tensor.equal(tensors[name]) for name, tensor in named_tensors(one))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What `lic export` reads of a finished run."""
    folder = tmp_path / "run"
    save_state(tiny(), folder / WEIGHTS)
    (folder / "config.yaml").write_text("codec: {name: mbt2018-mean}\n")
    return folder


@pytest.mark.parametrize("name", TINY)
def test_compressai_loads_every_architecture_and_keeps_its_cdfs(name: str, tmp_path: Path) -> None:
    codec = tiny(name)
    save_state(codec, tmp_path / "codec.safetensors")
    out = tmp_path / "out.pth.tar"
    assert cli.main(["export", str(tmp_path / "codec.safetensors"), str(out), "--codec", name]) == 0
    loaded = architectures[name].from_state_dict(torch.load(out)["state_dict"])
    assert same(codec, loaded)
    loaded.update(force=True)  # as eval_model does
    assert same(codec, loaded)


def test_elic_loads_too(tmp_path: Path) -> None:
    codec = load_codec("elic2022-official", lmbda=0.013, N=8)  # CompressAI: M is 320
    save_state(codec, tmp_path / "out.pth.tar")
    state = torch.load(tmp_path / "out.pth.tar")["state_dict"]
    assert spec("elic2022-official").sizes_of(state) == {"N": 8, "M": 320}
    assert same(codec, Elic2022Official.from_state_dict(state))


def test_plain_compressai_with_the_base_weights_decodes_a_tuned_encoders_strings(run: Path, tmp_path: Path) -> None:
    tuned = tiny()
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if name.startswith(("g_a", "h_a")):
                parameter.add_(0.2 * torch.randn_like(parameter))
    assert cli.main(["export", str(run), str(tmp_path / "base.pth.tar")]) == 0
    base = architectures["mbt2018-mean"].from_state_dict(torch.load(tmp_path / "base.pth.tar")["state_dict"]).eval()

    image = torch.rand(1, 3, 128, 64)
    with torch.no_grad():
        encoded = tuned.compress(image)
        assert encoded["strings"] != base.compress(image)["strings"]
        assert base.decompress(**encoded)["x_hat"].equal(tuned.decompress(**encoded)["x_hat"])


def kodak_or_skip() -> Path:
    """The Kodak images of LIC_DATA."""
    folder = Path(os.environ.get("LIC_DATA", "/nonexistent")) / "kodak"
    if not folder.is_dir():
        pytest.skip("needs LIC_DATA with a folder kodak")
    return folder


@pytest.mark.parametrize("where", ["photographs", "kodak"])
def test_eval_model_agrees_with_our_evaluation(
    where: str, run: Path, photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = kodak_or_skip() if where == "kodak" else photographs / "food"
    out = run / "out.pth.tar"
    assert cli.main(["export", str(run), str(out)]) == 0
    capsys.readouterr()
    eval_model(["checkpoint", str(folder), "-a", "mbt2018-mean", "-p", str(out)])
    theirs = json.loads(capsys.readouterr().out)["results"]

    images = FolderDataset(folder)
    rows = evaluate(tiny(), images, "mbt2018-mean", Settings())
    ours = {key: sum(row[key] for row in rows) / len(rows) for key in ("bpp", "psnr", "ms_ssim")}
    assert theirs["bpp"][0] == pytest.approx(ours["bpp"], abs=1e-6)
    assert theirs["psnr-rgb"][0] == pytest.approx(ours["psnr"], abs=1e-3)
    assert theirs["ms-ssim-rgb"][0] == pytest.approx(ours["ms_ssim"], abs=1e-6)


def test_safetensors(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    assert cli.main(["export", str(run), str(out)]) == 0
    assert same(tiny(), load_codec("mbt2018-mean", weights=str(out), lmbda=0.013))


def test_a_checkpoint_needs_the_name_of_its_codec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, out = tmp_path / "last.ckpt", tmp_path / "out.pth.tar"
    torch.save({"state_dict": {f"codec.{name}": t for name, t in tiny().state_dict().items()}}, checkpoint)
    assert cli.main(["export", str(checkpoint), str(out)]) == 2
    assert "add --codec NAME" in capsys.readouterr().err
    assert cli.main(["export", str(checkpoint), str(out), "--codec", "mbt2018-mean"]) == 0
    assert same(tiny(), load_codec("mbt2018-mean", weights=str(out), lmbda=0.013))


def test_an_existing_file_stays_unless_forced(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.pth.tar"
    out.write_text("precious")
    assert cli.main(["export", str(run), str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    assert out.read_text() == "precious"
    assert cli.main(["export", str(run), str(out), "--force"]) == 0
    assert "state_dict" in torch.load(out)


@pytest.mark.parametrize(
    ("source", "codec", "message"),
    [
        ("nothing", None, "no such run folder or file of weights"),
        (".", None, "not the folder of a finished run"),
        (f"run/{WEIGHTS}", "mbt2018", "the weights don't fit mbt2018"),
        (f"run/{WEIGHTS}", "mbt2018-main", "did you mean 'mbt2018-mean'?"),
    ],
)
def test_refusals(
    source: str,
    codec: str | None,
    message: str,
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--codec", codec] if codec else []
    assert cli.main(["export", str(tmp_path / source), str(tmp_path / "out.pth.tar"), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out.pth.tar").exists()


def test_cdfs_that_compressai_would_not_rebuild_are_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codec = tiny()
    with torch.no_grad():
        codec.entropy_bottleneck._offset.add_(1)
    assert not rebuilds_cdfs(codec)
    save_state(codec, run / WEIGHTS)
    assert cli.main(["export", str(run), str(run / "out.pth.tar")]) == 0
    assert "--no-update" in capsys.readouterr().err
