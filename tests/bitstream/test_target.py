"""`lic encode --target-bpp` and `--target-psnr`: real bytes and pixels on the right side of the target, and near."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Literal

import pytest
import torch
from skimage import data as skimage_data
from torch import Tensor

from lic_lightning import cli
from lic_lightning.bitstream import FileCodec, OutOfReachError
from lic_lightning.bitstream.target import PROBES, Probe, Target
from lic_lightning.codecs.weights import load_codec
from lic_lightning.metrics.image import psnr
from lic_lightning.objectives import MSE
from lic_lightning.refinement import Refinement
from lic_lightning.selection.pick import rd_cost

LMBDA = 0.0067


@pytest.fixture(scope="module")
def picture() -> Tensor:
    """(3, 100, 150) uint8."""
    return torch.from_numpy(skimage_data.astronaut()).permute(2, 0, 1)[:, 20:120, 150:300].contiguous()


@pytest.fixture(scope="module")
def codec() -> FileCodec:
    loaded = load_codec("mbt2018-mean", weights="shipped", lmbda=LMBDA)
    return FileCodec("mbt2018-mean", loaded, refine=Refinement("fast", MSE(LMBDA)))


def bpp(picture: Tensor, content: bytes) -> float:
    return 8 * len(content) / picture[0].numel()


def decoded_psnr(codec: FileCodec, picture: Tensor, content: bytes) -> float:
    return psnr(picture.float(), codec.decode(content).float())


@pytest.mark.parametrize("factor", [0.98, 1.01])
def test_a_file_is_at_most_as_large_as_is_wanted_its_header_too(
    factor: float, codec: FileCodec, picture: Tensor
) -> None:
    wanted = factor * bpp(picture, codec.encode(picture))
    content = Target("bpp", wanted, shipped=True)(codec, picture).content
    assert 0.98 * wanted <= bpp(picture, content) <= wanted
    assert codec.decode(content).shape == picture.shape


@pytest.mark.parametrize("change", [-0.1, 0.05])
def test_a_picture_is_at_least_as_good_as_is_wanted(change: float, codec: FileCodec, picture: Tensor) -> None:
    wanted = change + decoded_psnr(codec, picture, codec.encode(picture))
    content = Target("psnr", wanted, shipped=True)(codec, picture).content
    assert wanted <= decoded_psnr(codec, picture, content) <= wanted + 0.04


def test_at_a_smaller_lambda_z_follows_the_refined_y_and_what_is_minimized_falls(
    codec: FileCodec, picture: Tensor
) -> None:
    lmbda, once = LMBDA / 4, copy.copy(codec)
    once.refine = Refinement("fast", MSE(lmbda))
    contents = once.encode(picture), Target("bpp", 1.0, shipped=True)._probe(codec, picture, -2).content
    first, second = (rd_cost(content, picture, codec.decode(content), lmbda) for content in contents)
    assert second < first


@pytest.mark.parametrize(("name", "wanted"), [("bpp", 0.1), ("bpp", 9.0), ("psnr", 22.0)])
def test_what_is_out_of_reach_is_named_with_the_span_and_the_shipped_lambda_that_would_do(
    name: Literal["bpp", "psnr"], wanted: float, codec: FileCodec, picture: Tensor
) -> None:
    with pytest.raises(
        OutOfReachError, match=r"out of this decoder's reach: \d.* to \d.* from 0.0017 to 0.0268"
    ) as error:
        Target(name, wanted, shipped=True)(codec, picture)
    does = {("bpp", 9.0): "--lmbda 0.0483 alone gives", ("psnr", 22.0): "--lmbda 0.0018 alone gives"}
    assert does.get((name, wanted), "no shipped λ would do") in str(error.value)


@pytest.mark.parametrize("wanted", [30.2, 31.5, 33.9, 34.0])
def test_few_probes_are_enough(
    wanted: float, codec: FileCodec, picture: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    octaves = []

    def probe(target: Target, codec: FileCodec, image: Tensor, octave: float) -> Probe:
        octaves.append(octave)
        return Probe(36 - 1.5 * 2 ** (-octave), LMBDA, b"")  # flat at large λ, steep at small ones

    monkeypatch.setattr(Target, "_probe", probe)
    assert wanted <= Target("psnr", wanted, shipped=True)(codec, picture).value <= wanted + 0.02
    assert len(octaves) < PROBES


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--target-bpp", "0"), "must be above 0"),
        (("--target-psnr", "nan"), "must be above 0"),
        (("--target-bpp", "much"), "invalid"),
        (("--target-bpp", "0.5", "--target-psnr", "30"), "not allowed with"),
        (("--target-bpp", "0.5", "--encoder", "best", "--encoders", "outputs"), "leave --encoder out"),
        (("--target-psnr", "30", "--weights", "{file}"), "give it as --lmbda"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(
    arguments: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photo.png").touch()
    given = [argument.format(file=tmp_path / "weights.safetensors") for argument in arguments]
    try:
        code = cli.main(["encode", str(tmp_path / "photo.png"), *given])
    except SystemExit as refused:
        code = int(refused.code or 0)
    assert code == 2
    assert said in capsys.readouterr().err


def test_the_command_says_what_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    Image.fromarray(skimage_data.astronaut()[20:120, 150:300]).save(tmp_path / "photo.png")
    options = ["--lmbda", "0.0067", "--refine", "fast", "--target-bpp", "0.6"]
    assert cli.main(["encode", str(tmp_path / "photo.png"), *options]) == 0
    assert "of the refinement" in capsys.readouterr().out
    assert 8 * (tmp_path / "photo.lic").stat().st_size <= 0.6 * 100 * 150
