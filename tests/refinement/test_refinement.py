"""Refinement: never dearer as written, read by the untouched decoder, blind to what nobody sees."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from skimage import data as skimage_data
from torch import Tensor, nn

from lic_lightning import cli
from lic_lightning.bitstream import FileCodec, parse
from lic_lightning.codecs.latents import Latents, LatentsError, TransformCut, cut
from lic_lightning.codecs.padding import Frame, to_float
from lic_lightning.codecs.weights import load_codec
from lic_lightning.objectives import MSE, MSSSIM
from lic_lightning.refinement import PRESETS, Refinement, refinement
from lic_lightning.refinement.problem import Problem, Target, problem_of
from lic_lightning.refinement.synthesis import fast_synthesis
from lic_lightning.runs.identity import CONF

LMBDA = 0.0067
CERTAIN = torch.tensor([0.0, 1.0, 0.0]).reshape(3, 1, 1, 1)


@pytest.fixture(scope="module")
def photograph() -> Tensor:
    """(3, 90, 171) uint8."""
    return torch.from_numpy(skimage_data.astronaut()).permute(2, 0, 1)[:, 20:110, 150:321].contiguous()


@pytest.fixture(scope="module")
def shipped() -> nn.Module:
    return load_codec("mbt2018-mean", weights="shipped", lmbda=LMBDA).eval()


SIZES = {
    "bmshj2018-factorized": {"N": 8, "M": 12},
    "bmshj2018-hyperprior": {"N": 8, "M": 12},
    "mbt2018-mean": {"N": 8, "M": 12},
    "mbt2018": {"N": 12, "M": 12},
    "elic2022-official": {"N": 8, "M": 144},
    "segpic": {"N": 8, "M": 16},
}


@functools.cache
def small(name: str) -> nn.Module:
    torch.manual_seed(0)
    codec = load_codec(name, lmbda=LMBDA, **SIZES[name])
    g_a = codec.g_a2[1].sal.affine.modules() if name == "segpic" else codec.g_a
    *_, last = (module for module in g_a if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        last.weight.mul_(30)
    codec.update(force=True, update_quantiles=True)
    return codec.eval()


@torch.no_grad()
def analysed(codec: nn.Module, image: Tensor) -> Problem:
    frame = Frame.of(image, 64)
    return problem_of(cut(codec), cut(codec).analyse(to_float(frame.pad(image))), image, frame, MSE(LMBDA))


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


@pytest.mark.parametrize("name", SIZES)
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
    monkeypatch.setattr(refinement, "mean_field", lambda problem, y_hat, descent: y_hat + 1)
    refined = FileCodec("mbt2018-mean", shipped, refine=Refinement("fast", MSE(LMBDA)))
    assert refined.encode(photograph) == FileCodec("mbt2018-mean", shipped).encode(photograph)


@pytest.mark.parametrize("name", SIZES)
def test_only_y_is_refined(name: str, photograph: Tensor) -> None:
    problem = analysed(small(name), photograph)
    frame = Frame.of(photograph, 64)
    refined, encoded = Refinement("medium", MSE(LMBDA))(problem.own, problem.plain, photograph, frame)
    kept = {key: value for key, value in problem.plain.side.items() if key.endswith("_hat")}
    assert all(refined.side[key].equal(value) for key, value in kept.items())
    assert not refined.y_hat.equal(problem.plain.y_hat)
    assert encoded["strings"][1:] == problem.own.write(problem.plain)["strings"][1:] or name == "elic2022-official"


def moved(problem: Problem, latents: Latents) -> Latents:
    """A refined ŷ under the scales and means of the one before."""
    return replace(latents, y_hat=latents.y_hat + 1)


def off_its_symbols(problem: Problem, latents: Latents) -> Latents:
    return replace(latents, y_hat=latents.y_hat + 0.25)


@torch.no_grad()
def beside_another_z(problem: Problem, latents: Latents) -> Latents:
    """What `compress` would do to a refined y: derive z again."""
    return replace(latents, side=latents.side | {"z_hat": latents.side["z_hat"] + 1})


SABOTAGE = [
    *((name, off_its_symbols) for name in SIZES),
    *((name, moved) for name in ("mbt2018", "elic2022-official", "segpic")),
    *((name, beside_another_z) for name in SIZES if name != "bmshj2018-factorized"),
]


@pytest.mark.parametrize(("name", "sabotage"), SABOTAGE)
def test_what_is_not_written_as_it_was_refined_fails_loudly(
    name: str, sabotage: Callable[[Problem, Latents], Latents], photograph: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Problem.written
    monkeypatch.setattr(Problem, "written", lambda problem, y: sabotage(problem, written(problem, y)))
    with pytest.raises(LatentsError, match="another ŷ than was refined"):
        FileCodec(name, small(name), refine=Refinement("fast", MSE(LMBDA))).encode(photograph)


def test_an_error_in_the_margin_counts_only_where_it_reaches_the_picture(
    shipped: nn.Module, photograph: Tensor
) -> None:
    image = photograph[:, :, :70].contiguous()  # 29 pixels of margin on the left
    problem = analysed(shipped, image)
    with torch.no_grad():
        gradient = problem.slope(problem.plain.y_hat, torch.zeros(3, 1, 1, 1)).gradient
    assert gradient[..., 0].abs().sum() < gradient[..., 3].abs().sum() / 3


def test_what_a_symbol_does_to_those_after_it_counts_where_it_is_their_context(photograph: Tensor) -> None:
    for name in SIZES:
        problem = analysed(small(name), photograph)
        with torch.no_grad():
            alone, with_others = (
                problem.slope(problem.plain.y_hat, chances) for chances in (torch.zeros(3, 1, 1, 1), CERTAIN)
            )
        assert alone.gradient.equal(with_others.gradient) != problem.own.context


@pytest.mark.parametrize("sides", [(52, 48), (132, 196), (260, 260)])
def test_tiles_cover_a_picture_once_and_leave_checkerboards_in_place(
    sides: tuple[int, int], photograph: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refinement, "LARGEST", 1000)
    problem, times = analysed(small("elic2022-official"), photograph), torch.zeros(sides)
    for core, _, outer in refinement.tiles(replace(problem, y=torch.empty(1, 1, *sides))):
        times[core] += 1
        assert all(span.start % 2 == span.stop % 2 == 0 for span in outer)
    assert (times == 1).all()


def test_a_picture_is_refined_alike_each_time(shipped: nn.Module, photograph: Tensor) -> None:
    codec = FileCodec("mbt2018-mean", shipped, refine=Refinement("fast", MSE(LMBDA)))
    assert codec.encode(photograph) == codec.encode(photograph)


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
    with pytest.raises(LatentsError, match="refine=fast: TransformCut can't be refined, it declares no `coded`"):
        Refinement("fast", MSE(LMBDA)).check(TransformCut(nn.Identity()))


def test_command_and_configs_offer_the_presets_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["encode", "--help"])
    assert f"--refine [{{{','.join(PRESETS)}}}]" in " ".join(capsys.readouterr().out.split())
    assert {path.stem for path in (CONF / "refine").glob("*.yaml")} == set(PRESETS)


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(ValueError, match=f"refine=best: it is one of {', '.join(PRESETS)}"):
        Refinement("best", MSE(LMBDA))


@torch.no_grad()
def test_the_fast_synthesis_is_the_codecs_own(shipped: nn.Module) -> None:
    y_hat = torch.randn(1, 96, 4, 6, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(fast_synthesis(shipped.g_s)(y_hat), shipped.g_s(y_hat), atol=1e-5)


def test_the_fast_synthesis_has_the_gradient_of_the_codecs_own(shipped: nn.Module) -> None:
    y_hat = torch.randn(1, 96, 4, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    fast, own = (
        torch.autograd.grad(g_s(y_hat).square().sum(), y_hat)[0] for g_s in (fast_synthesis(shipped.g_s), shipped.g_s)
    )
    assert torch.allclose(fast, own, rtol=1e-3, atol=1e-3 * own.abs().max().item())
