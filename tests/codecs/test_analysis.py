"""Other encoders for the same decoder: what they cost, where they start, how files say them, who can have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lic_lightning.codecs import registry
from lic_lightning.codecs.analysis import AnalysisError, analysis_of, put_analysis
from lic_lightning.codecs.fingerprint import decoder_fingerprint
from lic_lightning.codecs.latents import cut
from lic_lightning.codecs.registry import analysis_names, build, spec
from lic_lightning.codecs.roles import named_tensors
from lic_lightning.codecs.weights import WeightsError, load_codec, save_state
from lic_lightning.codecs.work import kmac_per_pixel

MEAN = "mbt2018-mean"
PLAIN = ["bmshj2018-factorized", MEAN, "mbt2018", "cheng2020-attn", "elic2022-official"]


def small(analysis: str | None = None, **settings: object) -> nn.Module:
    return load_codec(MEAN, lmbda=0.013, analysis=analysis, **{"N": 8, "M": 12, **settings})


def same(one: nn.Module, other: nn.Module) -> bool:
    tensors = dict(named_tensors(other))
    return tensors.keys() == dict(named_tensors(one)).keys() and all(
        tensor.equal(tensors[name]) for name, tensor in named_tensors(one)
    )


@pytest.mark.parametrize("M", [96, 152])  # of the shipped weights
@pytest.mark.parametrize(("name", "least", "most"), [("phone", 0, 0.5), ("large", 4, 8)])
def test_the_encoder_costs_what_its_name_promises(name: str, least: float, most: float, M: int) -> None:
    codec = build(MEAN, 1, N=48, M=M)
    own = kmac_per_pixel(codec, spec(MEAN).roles)["encoder"]
    put_analysis(name, MEAN, codec)
    assert least * own <= kmac_per_pixel(codec, spec(MEAN).roles)["encoder"] <= most * own


@pytest.mark.parametrize("name", [MEAN, "cheng2020-attn"])
@torch.no_grad()
def test_the_large_encoder_starts_as_the_codec_s_own_bit_for_bit(
    name: str, spread_out: Callable[..., nn.Module], pictures: dict[str, Tensor]
) -> None:
    codec = spread_out(name)
    before = cut(codec).write(cut(codec).analyse(pictures["small"]))["strings"]
    y = codec.g_a(pictures["small"])
    put_analysis("large", name, codec)
    assert len(list(codec.g_a.parameters())) > 100
    assert codec.g_a(pictures["small"]).equal(y)
    assert cut(codec).write(cut(codec).analyse(pictures["small"]))["strings"] == before


@pytest.mark.parametrize("name", PLAIN)
@torch.no_grad()
def test_the_untouched_codec_decodes_what_another_encoder_writes(
    name: str, spread_out: Callable[..., nn.Module], pictures: dict[str, Tensor]
) -> None:
    base, codec = spread_out(name), spread_out(name)
    put_analysis("phone", name, codec)
    codec.g_a[0][-1].weight.mul_(60)
    assert decoder_fingerprint(base, spec(name).roles) == decoder_fingerprint(codec, spec(name).roles)
    latents = cut(codec).analyse(pictures["small"])
    encoded = cut(codec).write(latents)
    assert sum(len(string) for [string] in encoded["strings"]) > 40, "the strings carry nothing, so nothing was shown"
    read = cut(base).read(**encoded)
    assert read.y_hat.equal(latents.y_hat)
    assert cut(base).synthesise(read).equal(cut(codec).synthesise(latents))


@pytest.mark.parametrize("name", analysis_names())
@pytest.mark.parametrize("file", ["codec.safetensors", "codec.pth.tar", "last.ckpt"])
def test_a_file_of_weights_says_its_analysis(name: str, file: str, tmp_path: Path) -> None:
    codec, path = small(name), tmp_path / file
    if file == "last.ckpt":
        torch.save({"state_dict": {f"codec.{key}": tensor for key, tensor in codec.state_dict().items()}}, path)
    else:
        save_state(codec, path)
    for asked in (None, name):
        loaded = load_codec(MEAN, weights=str(path), lmbda=0.013, analysis=asked)
        assert analysis_of(loaded) == name
        assert same(loaded, codec)


def test_weights_with_the_codec_s_own_get_a_new_network_that_the_seed_fixes(tmp_path: Path) -> None:
    codec, path = small(), tmp_path / "codec.safetensors"
    save_state(codec, path)
    made = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        made.append(load_codec(MEAN, weights=str(path), lmbda=0.013, analysis="phone"))
    assert same(made[0], made[1])
    assert not same(made[0], made[2])
    assert made[0].h_a[0].weight.equal(codec.h_a[0].weight)


def test_weights_of_one_analysis_are_no_start_for_another(tmp_path: Path) -> None:
    save_state(small("phone"), tmp_path / "phone.safetensors")
    with pytest.raises(WeightsError, match=r"codec.analysis=large, but the weights .* have the analysis phone"):
        load_codec(MEAN, weights=str(tmp_path / "phone.safetensors"), lmbda=0.013, analysis="large")


def test_weights_of_an_analysis_that_nobody_registered_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_state(small("phone"), tmp_path / "phone.safetensors")
    monkeypatch.setattr(registry, "_ANALYSES", {"large": registry.analysis("large")})
    with pytest.raises(WeightsError, match=r"the analysis phone, which nothing registers here .*known: large"):
        load_codec(MEAN, weights=str(tmp_path / "phone.safetensors"), lmbda=0.013)


def test_a_codec_whose_analysis_is_no_transform_says_so() -> None:
    with pytest.raises(AnalysisError, match="segpic has no g_a that another network could stand for"):
        load_codec("segpic", lmbda=0.013, N=16, M=32, analysis="phone")


def test_an_unknown_analysis_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown analysis 'fone'.*known: large, phone"):
        small("fone")


def test_an_analysis_that_ends_in_other_latents_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._ANALYSES, "narrow", lambda g_a, N, M: nn.Conv2d(3, M - 1, 16, stride=16))
    with pytest.raises(AnalysisError, match=r"ends in latents \(1, 11, 4, 4\), mbt2018-mean has \(1, 12, 4, 4\)"):
        small("narrow")


def test_a_name_is_registered_once() -> None:
    analysis_names()
    with pytest.raises(ValueError, match="an analysis named 'phone' is registered already"):
        registry.register_analysis("phone", lambda g_a, N, M: g_a)
