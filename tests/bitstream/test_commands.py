"""`lic encode` and `lic decode` as a user runs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lic_lightning import cli
from lic_lightning.bitstream import parse
from lic_lightning.codecs.weights import load_codec, save_state
from lic_lightning.runs.run import WEIGHTS


@pytest.fixture
def reference(tmp_path: Path, make_codec: Callable[[str], nn.Module]) -> Path:
    """The file of a small reference's weights."""
    path = tmp_path / "references" / "reference.safetensors"
    save_state(make_codec("mbt2018-mean"), path)
    return path


@pytest.fixture
def photo(tmp_path: Path, photographs: Path) -> Path:
    """One photograph."""
    path = tmp_path / "photo.png"
    path.write_bytes((photographs / "food" / "0.png").read_bytes())
    return path


def lic(*arguments: object) -> int:
    """Runs `lic`."""
    return cli.main(list(map(str, arguments)))


def pixels(path: Path) -> np.ndarray:
    """A picture's values."""
    return np.asarray(Image.open(path))


def test_a_photograph_goes_through_the_shipped_reference(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lic("encode", photo, "--codec", "mbt2018-mean", "--weights", "shipped", "--lmbda", "0.0130") == 0
    coded = photo.with_suffix(".lic")
    assert f"{coded.stat().st_size:,} bytes" in capsys.readouterr().out
    assert lic("decode", coded, "-o", photo.parent / "decoded.png") == 0
    difference = pixels(photo).astype(float) - pixels(photo.parent / "decoded.png")
    assert 10 * np.log10(255**2 / np.mean(difference**2)) > 28


def test_a_tuned_run_needs_no_more_than_the_reference_to_be_read(reference: Path, photo: Path, tmp_path: Path) -> None:
    tuned = load_codec("mbt2018-mean", weights=str(reference), lmbda=0.013)
    with torch.no_grad():
        tuned.g_a[0].weight.add_(0.1 * torch.randn_like(tuned.g_a[0].weight))
    save_state(tuned, tmp_path / "run" / WEIGHTS)
    (tmp_path / "run" / "config.yaml").write_text("codec: {name: mbt2018-mean}\n")
    assert lic("encode", photo, "--weights", tmp_path / "run", "-o", tmp_path / "a.lic") == 0
    assert lic("decode", tmp_path / "a.lic", "--weights", reference, "-o", tmp_path / "by_file.png") == 0
    assert lic("decode", tmp_path / "a.lic", "--weights", reference.parent, "-o", tmp_path / "by_folder.png") == 0
    assert lic("decode", tmp_path / "a.lic", "--weights", tmp_path / "run", "-o", tmp_path / "by_run.png") == 0
    assert (tmp_path / "by_file.png").read_bytes() == (tmp_path / "by_run.png").read_bytes()


def test_an_unknown_decoder_is_one_line(reference: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lic("encode", photo, "--weights", reference) == 0
    capsys.readouterr()
    assert lic("decode", photo.with_suffix(".lic"), "-o", photo.parent / "out.png") == 2
    error = capsys.readouterr().err
    assert "add --weights PATH" in error
    assert error.count("\n") == 1
    assert not (photo.parent / "out.png").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_bad_file_of_many_is_named_and_the_rest_go_on(
    jobs: int, reference: Path, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for index, name in enumerate(["a.png", "deep/b.png"]):
        (folder / name).write_bytes((photographs / "food" / f"{index}.png").read_bytes())
    (folder / "bad.jpg").write_text("no picture")
    coded, decoded = tmp_path / "coded", tmp_path / "decoded"
    weights = ("--weights", reference, "--jobs", jobs)
    assert lic("encode", folder, "-o", coded, *weights) == 1
    assert "bad.jpg: not an image" in capsys.readouterr().err
    assert sorted(path.relative_to(coded).as_posix() for path in coded.rglob("*.*")) == ["a.lic", "deep/b.lic"]
    (coded / "a.lic").write_bytes((coded / "a.lic").read_bytes()[:-1])
    assert lic("decode", coded, "-o", decoded, *weights) == 1
    assert "a.lic: " in capsys.readouterr().err
    assert [path.relative_to(decoded).as_posix() for path in decoded.rglob("*.*")] == ["deep/b.png"]


def test_globs(reference: Path, photographs: Path, tmp_path: Path) -> None:
    assert lic("encode", photographs / "food" / "[01].png", "-o", tmp_path / "coded", "--weights", reference) == 0
    assert sorted(path.name for path in (tmp_path / "coded").iterdir()) == ["0.lic", "1.lic"]


def test_what_exists_is_kept_without_force(reference: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = photo.with_suffix(".lic")
    target.write_text("precious")
    assert lic("encode", photo, "--weights", reference) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert target.read_text() == "precious"
    assert lic("encode", photo, "--weights", reference, "--force") == 0
    assert parse(target.read_bytes()).codec == "mbt2018-mean"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content[:-7], "bytes instead of the"),
        (lambda content: content[:200] + bytes([content[200] ^ 4]) + content[201:], "checksum mismatch"),
        (lambda content: b"GIF89a" + content, "not a .lic file"),
        (lambda content: content[:5] + b"\x0cmbt3018-mean" + content[18:], "checksum mismatch"),
        (lambda content: content + content, "bytes instead of the"),
    ],
    ids=["truncated", "flipped", "foreign", "header", "doubled"],
)
def test_a_damaged_file_is_one_line_and_no_output(
    spoil: Callable[[bytes], bytes], message: str, reference: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lic("encode", photo, "--weights", reference) == 0
    coded, out = photo.with_suffix(".lic"), photo.parent / "out.png"
    coded.write_bytes(spoil(coded.read_bytes()))
    before = sorted(photo.parent.iterdir())
    capsys.readouterr()
    assert lic("decode", coded, "--weights", reference, "-o", out) == 2
    error = capsys.readouterr().err
    assert str(coded) in error
    assert message in error
    assert error.count("\n") == 1
    assert sorted(photo.parent.iterdir()) == before


def test_a_large_picture_is_refused_on_both_sides(
    reference: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lic("encode", photo, "--weights", reference, "--max-pixels", 1000) == 2
    assert "176×192 is more than" in capsys.readouterr().err
    assert lic("encode", photo, "--weights", reference) == 0
    assert lic("decode", photo.with_suffix(".lic"), "--weights", reference, "--max-pixels", 1000, "--force") == 2
    assert "more than the limit of 1,000 pixels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("encode", "{photo}", "--weights", "none"), "nobody could read the file"),
        (("encode", "{photo}", "--weights", "{folder}"), "not the folder of a finished run"),
        (("encode", "{photo}", "--lmbda", "0.5"), "no weights are shipped"),
        (("encode", "{folder}/*.jpeg"), "nothing matches"),
        (("decode", "{folder}"), "no files .lic in"),
        (("decode", "{photo}", "-o", "{folder}/out.jpg"), "pictures are written as .png"),
        (("decode", "{folder}/missing.lic"), "missing.lic"),
    ],
)
def test_a_mistaken_request_says_what_is_wrong(
    arguments: tuple[str, ...], message: str, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lic(*(argument.format(photo=photo, folder=photo.parent) for argument in arguments)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_two_photographs_with_one_target_are_refused(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo.with_suffix(".jpg").write_bytes(photo.read_bytes())
    assert lic("encode", photo.parent) == 2
    assert "would both become" in capsys.readouterr().err


def test_several_photographs_need_a_folder(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lic("encode", photo, photo, "-o", photo.parent / "one.lic") == 2
    assert "-o must be a folder" in capsys.readouterr().err


def test_a_turned_photograph_is_upright(reference: Path, photo: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(photo).save(tmp_path / "turned.png", exif=exif)
    Image.open(photo).rotate(-90, expand=True).save(tmp_path / "upright.png")
    for name in ("turned", "upright"):
        assert lic("encode", tmp_path / f"{name}.png", "--weights", reference) == 0
    assert (tmp_path / "turned.lic").read_bytes() == (tmp_path / "upright.lic").read_bytes()


def test_a_codec_that_cannot_run_in_tiles_says_so_of_a_large_picture(
    photo: Path,
    make_codec: Callable[[str], nn.Module],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("lic_lightning.commands.encode.WHOLE_PIXELS", 1000)
    for name in ("segpic", "mbt2018-mean"):
        weights = photo.parent / f"{name}.safetensors"
        save_state(make_codec(name), weights)
        assert lic("encode", photo, "--codec", name, "--weights", weights, "--force") == 0
        assert ("memory grows with the picture" in capsys.readouterr().out) == (name == "segpic")


def test_a_refined_photograph_is_read_as_any_other(photo: Path, tmp_path: Path) -> None:
    assert lic("encode", photo, "--lmbda", 0.0067, "-o", tmp_path / "plain.lic") == 0
    assert lic("encode", photo, "--lmbda", 0.0067, "--refine", "fast", "-o", tmp_path / "refined.lic") == 0
    assert lic("decode", tmp_path / "refined.lic", "-o", tmp_path / "refined.png") == 0
    assert (tmp_path / "refined.lic").read_bytes() != (tmp_path / "plain.lic").read_bytes()


def test_refinement_asks_for_a_lambda_that_nothing_tells(
    reference: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lic("encode", photo, "--weights", reference, "--refine") != 0
    assert "give it as --lmbda" in capsys.readouterr().err
