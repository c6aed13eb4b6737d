"""Weights: what goes out comes back, and what does not fit is named."""

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from compressai.zoo.image import model_architectures
from torch import nn

from lic_lightning.codecs import weights
from lic_lightning.codecs.weights import WeightsError, load_codec, read_state, save_state

LMBDA = 0.0130


def small(name: str = "mbt2018-mean", **settings: object) -> nn.Module:
    return load_codec(name, lmbda=LMBDA, N=8, M=12, **settings)


def equal(one: nn.Module, other: nn.Module) -> bool:
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(t, states[1][n]) for n, t in states[0].items())


@pytest.mark.parametrize("suffix", [".pth.tar", ".safetensors"])
def test_saved_weights_load_bit_for_bit(tmp_path: Path, suffix: str) -> None:
    codec = small()
    save_state(codec, tmp_path / f"codec{suffix}")
    assert equal(codec, load_codec("mbt2018-mean", lmbda=LMBDA, weights=str(tmp_path / f"codec{suffix}")))


def test_plain_compressai_loads_what_we_save(tmp_path: Path) -> None:
    codec = small()
    save_state(codec, tmp_path / "codec.pth.tar")
    state = torch.load(tmp_path / "codec.pth.tar", weights_only=True)["state_dict"]
    assert equal(codec, model_architectures["mbt2018-mean"].from_state_dict(state))


@pytest.mark.parametrize("wrapping", ["bare", "state_dict", "network", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_compressai_wrappings_are_read(tmp_path: Path, wrapping: str, prefix: str) -> None:
    codec = small()
    state = {prefix + name: tensor for name, tensor in codec.state_dict().items()}
    torch.save(state if wrapping == "bare" else {wrapping: state, "epoch": 3}, tmp_path / "c.pth.tar")
    assert equal(codec, load_codec("mbt2018-mean", lmbda=LMBDA, weights=str(tmp_path / "c.pth.tar")))


def test_a_checkpoint_that_holds_more_than_the_codec_is_read(tmp_path: Path) -> None:
    codec = small()
    state = {f"codec.{name}": tensor for name, tensor in codec.state_dict().items()}
    more = {
        "objective.features.0.weight": torch.ones(3),
        "head.fc.bias": torch.ones(2),
        "discriminator.0.weight": torch.ones(1),
    }
    torch.save({"state_dict": {**more, **state}}, tmp_path / "last.ckpt")
    assert equal(codec, load_codec("mbt2018-mean", lmbda=LMBDA, weights=str(tmp_path / "last.ckpt")))


def test_zoo_files_with_old_bottleneck_names_and_no_cdfs_are_read(tmp_path: Path) -> None:
    codec = small()
    old = {"matrices.": "_matrix", "biases.": "_bias", "factors.": "_factor"}
    state = {}
    for name, tensor in codec.state_dict().items():
        for new, short in old.items():
            name = name.replace(f"entropy_bottleneck.{new}", f"entropy_bottleneck.{short}")
        if not name.endswith(("_offset", "_quantized_cdf", "_cdf_length", "scale_table")):
            state[name] = tensor
    torch.save(state, tmp_path / "old.pth.tar")
    assert equal(codec, load_codec("mbt2018-mean", lmbda=LMBDA, weights=str(tmp_path / "old.pth.tar")))


def test_weights_of_another_architecture_name_the_keys(tmp_path: Path) -> None:
    save_state(small(), tmp_path / "mean.pth.tar")
    with pytest.raises(WeightsError, match=r"missing context_prediction.bias"):
        load_codec("mbt2018", lmbda=LMBDA, weights=str(tmp_path / "mean.pth.tar"))


def test_sizes_that_contradict_the_weights_are_refused(tmp_path: Path) -> None:
    save_state(small(), tmp_path / "mean.pth.tar")
    with pytest.raises(WeightsError, match=r"codec.N=16, but the weights .* have N=8"):
        load_codec("mbt2018-mean", lmbda=LMBDA, weights=str(tmp_path / "mean.pth.tar"), N=16)


def test_a_missing_file_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=str(tmp_path / "none.pth.tar")):
        read_state(tmp_path / "none.pth.tar")


@pytest.mark.parametrize("suffix", [".pth.tar", ".safetensors"])
def test_a_truncated_file_is_named(tmp_path: Path, suffix: str) -> None:
    save_state(small(), tmp_path / f"whole{suffix}")
    content = (tmp_path / f"whole{suffix}").read_bytes()
    (tmp_path / f"half{suffix}").write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=f"half{suffix} can't be read"):
        read_state(tmp_path / f"half{suffix}")


def test_a_checkpoint_that_pickles_code_does_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"state_dict": {"a": Evil()}}, tmp_path / "evil.pth.tar")
    with pytest.raises(WeightsError):
        read_state(tmp_path / "evil.pth.tar")
    assert not (tmp_path / "ran").exists()


def test_the_zoo_offline_names_file_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **settings: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(WeightsError, match=rf"mbt2018-mean-4-6dba02a3\.pth\.tar.*put it into {tmp_path}/checkpoints"):
        load_codec("mbt2018-mean", lmbda=LMBDA, weights="zoo")


def test_zoo_weights_in_the_cache_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    codec = small()
    save_state(codec, weights.zoo_path("mbt2018-mean", "mse", 4))
    assert equal(codec, load_codec("mbt2018-mean", lmbda=LMBDA, weights="zoo"))


def test_lmbda_picks_the_size_as_the_zoo_does() -> None:
    assert load_codec("bmshj2018-factorized", lmbda=0.0018).g_a[6].weight.size(0) == 192
    assert load_codec("bmshj2018-factorized", lmbda=0.1800).g_a[6].weight.size(0) == 320


def test_lightning_checkpoints_are_read(tmp_path: Path) -> None:
    codec = small()
    state = {f"codec.{name}": tensor for name, tensor in codec.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 1}, tmp_path / "last.ckpt")
    assert equal(codec, load_codec("mbt2018-mean", lmbda=LMBDA, weights=str(tmp_path / "last.ckpt")))
