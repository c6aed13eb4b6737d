"""Refinement: never dearer as written, read by the untouched decoder, blind to what nobody sees."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from skimage import data as skimage_data
from torch import Tensor, nn

from lic_lightning import cli
from lic_lightning.bitstream import FileCodec, parse
from lic_lightning.codecs.latents import LatentsError, cut
from lic_lightning.codecs.padding import Frame, to_float
from lic_lightning.codecs.weights import load_codec
from lic_lightning.objectives import MSE, MSSSIM
from lic_lightning.refinement import PRESETS, Refinement, refinement
from lic_lightning.refinement.problem import Problem, Target, problem_of
from lic_lightning.refinement.rdoq import distortion_gradient
from lic_lightning.runs.identity import CONF

LMBDA = 0.0067


@pytest.fixture(scope="module")
def photograph() -> Tensor:
    """(3, 90, 171) uint8."""
    return torch.from_numpy(skimage_data.astronaut()).permute(2, 0, 1)[:, 20:110, 150:321].contiguous()


@pytest.fixture(scope="module")
def shipped() -> nn.Module:
    return load_codec("mbt2018-mean", weights="shipped", lmbda=LMBDA).eval()


def small(name: str) -> nn.Module:
    torch.manual_seed(0)
    codec = load_codec(name, lmbda=LMBDA, **({"N": 12, "M": 12} if name == "mbt2018" else {"N": 8, "M": 12}))
    with torch.no_grad():
        codec.g_a[6].weight.mul_(30)
    codec.update(force=True, update_quantiles=True)
    return codec.eval()


def analysed(codec: nn.Module, image: Tensor) -> Problem:
    with torch.no_grad():
        frame = Frame.of(image, 64)
        y = codec.g_a(to_float(frame.pad(image)))
        return problem_of(cut(codec), y, cut(codec).quantise(y), image, frame, MSE(LMBDA))


def cost(codec: FileCodec, content: bytes, image: Tensor, objective: MSE | MSSSIM) -> float:
    decoded, bits = codec.decode(content), 8 * sum(map(len, parse(content).streams))
    x_hat, x = to_float(decoded), to_float(image)
    silent = {"x_hat": x_hat, "likelihoods": {"y": torch.ones(1)}}
    return bits / image[0].numel() + objective(silent, Target(x))["loss"].item()


@pytest.mark.parametrize("preset", ["fast", "medium"])
def test_a_refined_file_is_cheaper_and_the_plain_codec_reads_it(
    shipped: nn.Module, photograph: Tensor, preset: str
) -> None:
    plain = FileCodec("mbt2018-mean", shipped)
    refined = FileCodec("mbt2018-mean", shipped, refine=Refinement(preset, MSE(LMBDA))).encode(photograph)
    assert parse(refined).fingerprint == plain.fingerprint
    before, after = (cost(plain, content, photograph, MSE(LMBDA)) for content in (plain.encode(photograph), refined))
    assert after < 0.99 * before


@pytest.mark.parametrize("name", ["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "mbt2018"])
def test_each_prior_is_refined(name: str, photograph: Tensor) -> None:
    codec = small(name)
    plain, refined = FileCodec(name, codec), FileCodec(name, codec, refine=Refinement("medium", MSE(LMBDA)))
    contents = plain.encode(photograph), refined.encode(photograph)
    before, after = (cost(plain, content, photograph, MSE(LMBDA)) for content in contents)
    assert after < before


def test_ms_ssim_is_refined_by_its_own_objective(shipped: nn.Module) -> None:
    image = torch.from_numpy(skimage_data.astronaut()).permute(2, 0, 1)[:, :170, 100:280].contiguous()
    objective = MSSSIM(8.73)
    plain = FileCodec("mbt2018-mean", shipped)
    refined = FileCodec("mbt2018-mean", shipped, refine=Refinement("medium", objective)).encode(image)
    before, after = (cost(plain, content, image, objective) for content in (plain.encode(image), refined))
    assert after < before


def test_a_picture_that_refinement_makes_dearer_keeps_its_plain_latents(
    shipped: nn.Module, photograph: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refinement, "rdoq", lambda problem, y_hat, sweeps: problem.rounded(y_hat + 1))
    refined = FileCodec("mbt2018-mean", shipped, refine=Refinement("fast", MSE(LMBDA)))
    assert refined.encode(photograph) == FileCodec("mbt2018-mean", shipped).encode(photograph)


def test_z_stays_as_it_was_analysed(shipped: nn.Module, photograph: Tensor) -> None:
    own, frame = cut(shipped), Frame.of(photograph, 64)
    with torch.no_grad():
        y = shipped.g_a(to_float(frame.pad(photograph)))
        plain = own.quantise(y)
    refined = Refinement("fast", MSE(LMBDA))(own, y, photograph, frame)
    assert refined.side["z_hat"].equal(plain.side["z_hat"])
    assert not refined.y_hat.equal(plain.y_hat)


def test_z_that_was_derived_again_fails_loudly(shipped: nn.Module, photograph: Tensor) -> None:
    own, problem = cut(shipped), analysed(shipped, photograph)
    with torch.no_grad():
        latents = own.quantise(problem.y)
        again = own.quantise(latents.y_hat + 3)
        with pytest.raises(LatentsError, match="another ŷ than was refined"):
            refinement.written_cost(problem, own, replace(latents, side=again.side))


def test_a_refined_latent_off_its_symbols_fails_loudly(
    shipped: nn.Module, photograph: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refinement, "rdoq", lambda problem, y_hat, sweeps: y_hat + 0.25)
    with pytest.raises(LatentsError, match="another ŷ than was refined"):
        FileCodec("mbt2018-mean", shipped, refine=Refinement("fast", MSE(LMBDA))).encode(photograph)


def test_an_error_in_the_margin_counts_only_where_it_reaches_the_picture(
    shipped: nn.Module, photograph: Tensor
) -> None:
    image = photograph[:, :, :70].contiguous()  # 29 pixels of margin on the left
    problem = analysed(shipped, image)
    with torch.no_grad():
        _, gradient = distortion_gradient(problem, problem.rounded(problem.y))
    assert gradient[..., 0].abs().sum() < gradient[..., 3].abs().sum() / 3


def test_a_large_picture_is_refined_in_tiles(shipped: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.from_numpy(skimage_data.astronaut()).permute(2, 0, 1)[:, :200, 100:330].contiguous()
    plain = FileCodec("mbt2018-mean", shipped)
    whole = FileCodec("mbt2018-mean", shipped, refine=Refinement("fast", MSE(LMBDA))).encode(image)
    monkeypatch.setattr(refinement, "LARGEST", 1000)
    monkeypatch.setattr(refinement, "TILE", 6)
    tiled = FileCodec("mbt2018-mean", shipped, refine=Refinement("fast", MSE(LMBDA))).encode(image)
    before, at_once, by_tiles = (cost(plain, c, image, MSE(LMBDA)) for c in (plain.encode(image), whole, tiled))
    assert before - by_tiles > 0.5 * (before - at_once) > 0


def test_a_codec_that_cannot_be_refined_says_so() -> None:
    codec = load_codec("elic2022-official", lmbda=LMBDA, N=8).eval()
    with pytest.raises(LatentsError, match="can't be refined yet: it codes ŷ slice after slice"):
        Refinement("fast", MSE(LMBDA)).check(cut(codec))


def test_command_and_configs_offer_the_presets_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["encode", "--help"])
    assert f"--refine [{{{','.join(PRESETS)}}}]" in " ".join(capsys.readouterr().out.split())
    assert {path.stem for path in (CONF / "refine").glob("*.yaml")} == set(PRESETS)


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(ValueError, match=f"refine=best: it is one of {', '.join(PRESETS)}"):
        Refinement("best", MSE(LMBDA))
