"""`lic encode --pool`: a set within its target, whoever codes each picture, whatever happens in between."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
import time
from pathlib import Path

import polars as pl
import pytest
import torch
from PIL import Image
from skimage import data as skimage_data

from lic_lightning import cli
from lic_lightning.bitstream import parse
from lic_lightning.codecs import entropy
from lic_lightning.codecs.weights import load_codec, save_state

SIDE = 64


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small codecs, of which each next has finer latents."""
    folder = tmp_path_factory.mktemp("pool")
    for index, factor in enumerate((1, 6, 30)):
        torch.manual_seed(index)
        codec = load_codec("mbt2018-mean", lmbda=0.013, N=8, M=12)
        with torch.no_grad():
            codec.g_a[6].weight.mul_(factor)
            for parameter in codec.entropy_bottleneck.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        entropy.solve_quantiles(codec)
        save_state(codec, folder / f"{index}.safetensors")
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six tiles of a photograph."""
    (tmp_path / "photos").mkdir()
    for index in range(6):
        tile = skimage_data.coffee()[60 * index : 60 * index + SIDE, 200 : 200 + SIDE]
        Image.fromarray(tile).save(tmp_path / "photos" / f"{index}.png")
    return tmp_path / "photos"


def lic(*arguments: object) -> int:
    """Runs `lic`."""
    return cli.main(list(map(str, arguments)))


def bytes_of(folder: Path) -> int:
    """Of the files below a folder."""
    return sum(path.stat().st_size for path in folder.glob("*.lic"))


def bpp_of(folder: Path) -> float:
    """Of all files below a folder together."""
    return 8 * bytes_of(folder) / (SIDE**2 * len(list(folder.glob("*.lic"))))


@pytest.fixture(scope="module")
def reachable(pool: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[float, float]:
    """The least and the most bpp of the six tiles by one model."""
    folder = tmp_path_factory.mktemp("reachable")
    rates = []
    for index in range(6):
        tile = skimage_data.coffee()[60 * index : 60 * index + SIDE, 200 : 200 + SIDE]
        Image.fromarray(tile).save(folder / f"{index}.png")
    for model in ("0", "2"):
        assert lic("encode", folder, "-o", folder / model, "--weights", pool / f"{model}.safetensors") == 0
        rates.append(bpp_of(folder / model))
    return rates[0], rates[1]


def test_the_set_keeps_its_target_and_decodes_with_the_pool_alone(
    pool: Path, photos: Path, tmp_path: Path, reachable: tuple[float, float]
) -> None:
    target, out = sum(reachable) / 2, tmp_path / "out"
    assert lic("encode", photos, "-o", out, "--pool", pool, "--target-bpp", target) == 0
    assert bpp_of(out) <= target
    chosen = pl.read_csv(out / "allocation.csv")
    assert chosen["bytes"].sum() == bytes_of(out)
    assert chosen["model"].n_unique() > 1
    assert len({parse(path.read_bytes()).fingerprint for path in out.glob("*.lic")}) == chosen["model"].n_unique()
    assert lic("decode", out, "-o", tmp_path / "decoded", "--weights", pool) == 0
    assert len(list((tmp_path / "decoded").glob("*.png"))) == 6
    assert not (out / ".candidates").exists()


def test_several_targets_share_the_coding(
    pool: Path, photos: Path, tmp_path: Path, reachable: tuple[float, float]
) -> None:
    low, high = reachable
    targets = [low + share * (high - low) for share in (0.3, 0.8)]
    assert lic("encode", photos, "-o", tmp_path / "out", "--pool", pool, "--target-bpp", *targets) == 0
    reached = [bpp_of(tmp_path / "out" / f"{target:g}") for target in targets]
    assert reached[0] <= targets[0] < reached[1] <= targets[1]


def test_what_is_left_is_filled_and_never_overdrawn(photos: Path, tmp_path: Path) -> None:
    request = ("encode", photos, "--pool", "shipped", "--refine", "fast", "--target-bpp")
    assert lic(*request, 0.9, "-o", tmp_path / "plain") == 0
    a_little_more = bpp_of(tmp_path / "plain") + 8 * 40 / (6 * SIDE**2)
    assert lic(*request, a_little_more, "-o", tmp_path / "filled", "--fill") == 0
    assert bpp_of(tmp_path / "plain") < bpp_of(tmp_path / "filled") <= a_little_more
    psnr = [pl.read_csv(tmp_path / name / "allocation.csv")["psnr"].mean() for name in ("plain", "filled")]
    assert psnr[0] < psnr[1]  # type: ignore[operator]
    assert lic("decode", tmp_path / "filled", "-o", tmp_path / "decoded") == 0


def test_each_by_itself_keeps_its_target_and_is_no_better_as_a_set(
    pool: Path, photos: Path, tmp_path: Path, reachable: tuple[float, float]
) -> None:
    request = ("encode", photos, "--pool", pool, "--target-bpp", reachable[1])
    assert lic(*request, "-o", tmp_path / "each", "--rule", "each") == 0
    assert lic(*request, "-o", tmp_path / "set") == 0
    assert all(8 * path.stat().st_size / SIDE**2 <= reachable[1] for path in (tmp_path / "each").glob("*.lic"))
    psnr = [pl.read_csv(tmp_path / name / "allocation.csv")["psnr"].mean() for name in ("each", "set")]
    assert psnr[0] <= psnr[1]  # type: ignore[operator]


def test_a_target_out_of_reach_names_the_least_and_writes_nothing(
    pool: Path, photos: Path, tmp_path: Path, reachable: tuple[float, float], capsys: pytest.CaptureFixture[str]
) -> None:
    assert lic("encode", photos, "-o", tmp_path / "out", "--pool", pool, "--target-bpp", reachable[0] / 2) == 2
    assert "this pool reaches" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.lic"))


def test_a_picture_that_is_there_twice_is_coded_once_and_counts_twice(
    pool: Path, photos: Path, tmp_path: Path, reachable: tuple[float, float]
) -> None:
    shutil.copy(photos / "0.png", photos / "again.png")
    assert lic("encode", photos, "-o", tmp_path / "out", "--pool", pool, "--target-bpp", 2 * reachable[1]) == 0
    assert (tmp_path / "out" / "0.lic").read_bytes() == (tmp_path / "out" / "again.lic").read_bytes()
    assert len(pl.read_csv(tmp_path / "out" / "allocation.csv")) == 7


def test_a_broken_picture_is_named_and_left_out(
    pool: Path, photos: Path, tmp_path: Path, reachable: tuple[float, float], capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "broken.png").write_bytes(b"no picture")
    assert lic("encode", photos, "-o", tmp_path / "out", "--pool", pool, "--target-bpp", reachable[1]) == 1
    assert "broken.png: not an image" in capsys.readouterr().err
    assert len(list((tmp_path / "out").glob("*.lic"))) == 6


def test_an_empty_folder_and_a_pool_without_models_are_one_line_each(
    pool: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for folder, models in ((tmp_path / "empty", pool), (photos, tmp_path / "empty")):
        assert lic("encode", folder, "-o", tmp_path / "out", "--pool", models, "--target-bpp", 1) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_strangers_file_in_the_way_is_not_replaced(
    pool: Path, photos: Path, tmp_path: Path, reachable: tuple[float, float], capsys: pytest.CaptureFixture[str]
) -> None:
    request = ("encode", photos, "-o", tmp_path / "out", "--pool", pool, "--target-bpp", reachable[1])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "3.lic").write_bytes(b"somebody's")
    assert lic(*request) == 2
    assert "3.lic exists; --force replaces it" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").glob("*.lic")] == ["3.lic"]
    assert lic(*request, "--force") == 0


def test_a_killed_job_goes_on_where_it_stopped(
    pool: Path, photos: Path, tmp_path: Path, reachable: tuple[float, float]
) -> None:
    out = tmp_path / "out"
    request = ("encode", photos, "--pool", pool, "--target-bpp", sum(reachable) / 2)
    process = multiprocessing.get_context("fork").Process(target=lic, args=(*request, "-o", out))
    process.start()
    while len(list(out.glob(".candidates/*/*.json"))) < 3 and process.is_alive():
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in out.glob(".candidates/*/*.json")}
    assert kept
    told = json.loads(next(iter(kept)).read_text())
    assert told["size"] == Path(told["file"]).stat().st_size
    assert lic(*request, "-o", out) == 0
    assert lic(*request, "-o", tmp_path / "uninterrupted") == 0
    for path in out.glob("*.lic"):
        assert path.read_bytes() == (tmp_path / "uninterrupted" / path.name).read_bytes()
