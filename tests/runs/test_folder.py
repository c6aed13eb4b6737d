"""A run's folder is data, whoever it came from, and old ones are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from lic_lightning import cli
from lic_lightning.codecs.registry import build
from lic_lightning.codecs.weights import save_state
from lic_lightning.evaluation.results import OPTIONAL, SCHEMA
from lic_lightning.reports.html import write_page
from lic_lightning.runs.cells import Cell, write_plan
from lic_lightning.runs.folder import RunFolder, RunFolderError, run_folders

CELL = "0123456789ab"
SECRET = (7, 77, 177)


def config(**changes: Any) -> dict[str, Any]:
    """A resolved configuration as version 0.1 wrote it, less what nobody reads."""
    category = {"_target_": "lic_lightning.data.Category", "name": "food", "split": {"train": 6, "val": 1, "test": 1}}
    category["dataset"] = {"_target_": "lic_lightning.data.FolderDataset", "root": "/elsewhere/photos/food"}
    codec = {"_target_": "lic_lightning.codecs.weights.load_codec", "name": "mbt2018-mean", "lmbda": 0.013}
    content = {
        "lmbda": 0.013,
        "paths": {"data": "/elsewhere/photos", "output": "/elsewhere/outputs"},
        "codec": {**codec, "weights": "shipped"},
        "reference": {"codec": {**codec, "weights": "shipped"}},
        "objective": {"metric": "mse"},
        "freeze": {"train": ["encoder"]},
        "category": category,
        "data": {"category": category, "test_sets": {}},
        "evaluation": {"metrics": ["psnr"], "domain": "8bit", "device": "cpu", "workers": 1, "classic": []},
    }
    for path, value in changes.items():
        node = content
        *parents, key = path.split("__")
        for parent in parents:
            node = node[parent]
        node[key] = value
    return content


@pytest.fixture
def received(tmp_path: Path) -> Callable[..., Path]:
    """A sweep's folder with one finished run, its results from before any optional column; returns the run's."""

    def make(**changes: Any) -> Path:
        run = tmp_path / "received" / "main" / CELL
        save_state(build("mbt2018-mean", 1, N=8, M=12), run / "codec.safetensors")
        (run / "config.yaml").write_text(yaml.safe_dump(config(**changes)))
        empty: dict[str, Any] = {column: "" if str(kind) == "String" else 0 for column, kind in SCHEMA.items()}
        empty |= {"stream_bytes": [1], "lpips": None, "withheld": None, "test_set": "food", "test_set_digest": "d"}
        empty |= {"image": "0.png", "domain": "8bit", "lmbda": 0.013, "bpp": 0.5, "psnr": 30.0, "ms_ssim": 0.97}
        tuned = {"role": "tuned", "cell": CELL, "curve": "t", "curve_name": "tuned food", "reference": "r"}
        rows = [empty | tuned, empty | {"role": "reference", "cell": "r", "curve": "r", "reference": None}]
        pl.DataFrame(rows, schema=SCHEMA).drop(OPTIONAL).write_parquet(run / "results.parquet")
        return run

    return make


def every_command(run: Path, out: Path) -> list[list[str]]:
    """Those that read a run's folder; each may refuse it."""
    Image.new("RGB", (64, 64)).save(out / "photo.png")
    encode = ["encode", str(out / "photo.png"), "-o", str(out / "photo.lic"), "--force"]
    return [
        ["status", str(run.parent)],
        ["report", str(run.parent), "--bootstrap", "0"],
        ["bd", str(run.parent), str(run.parent)],
        ["screen", str(run.parent), "--data", str(out)],
        ["export", str(run), str(out / "out.pth.tar"), "--force"],
        ["export", str(run), str(out / "out.delta.safetensors"), "--delta", "--force"],
        [*encode, "--weights", str(run)],
        [*encode, "--encoder", "best", "--encoders", str(run.parent)],
    ]


@pytest.mark.parametrize(
    "place",
    ["codec", "reference__codec", "data__category", "data__category__dataset", "data__test_sets__more", "evaluation"],
)
def test_no_command_runs_what_a_folder_asks_for(place: str, received: Callable[..., Path], tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    call = {"_target_": "os.mkdir", "path": str(marker), "name": "mbt2018-mean", "weights": "shipped", "lmbda": 0.013}
    run = received(**{place: call})
    for command in every_command(run, tmp_path):
        cli.main(command)
        assert not marker.exists(), command


@pytest.mark.parametrize("root", ["{}", "/elsewhere/photos/../../{}"])
def test_photographs_outside_the_users_own_folder_are_not_read(
    root: str, received: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "private").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "private" / "0.png")
    (tmp_path / "data").mkdir()
    dataset = {"_target_": "lic_lightning.data.FolderDataset", "root": root.format(tmp_path / "private")}
    run = received(data__category__dataset=dataset)
    assert cli.main(["screen", str(run.parent), "--data", str(tmp_path / "data")]) == 2
    assert "private" in capsys.readouterr().err


@pytest.mark.parametrize("weights", ["{}/private.safetensors", "../../../private.safetensors", "run:../../{}"])
def test_weights_outside_the_sweep_are_read_only_where_the_user_names_them(
    weights: str, received: Callable[..., Path], tmp_path: Path
) -> None:
    start = tmp_path / "private.safetensors"
    save_state(build("mbt2018-mean", 1, N=8, M=12), start)
    run = received(codec__weights=weights.format(tmp_path))
    with pytest.raises(RunFolderError, match="name that file"):
        RunFolder(run).codec_settings()
    assert RunFolder(run).codec_settings(weights=str(start))["weights"] == str(start)


def test_a_run_started_from_another_of_its_sweep_finds_it_there(received: Callable[..., Path]) -> None:
    run = received(codec__weights="run:aaaaaaaaaaaa")
    stage = run.parent / "aaaaaaaaaaaa" / "codec.safetensors"
    save_state(build("mbt2018-mean", 1, N=8, M=12), stage)
    assert RunFolder(run).codec_settings()["weights"] == str(stage.resolve())


def crop(run: Path, **content: Any) -> None:
    folder = run / "crops" / "food" / "0"
    folder.mkdir(parents=True)
    for side in ("original", "reference", "tuned"):
        Image.new("RGB", (32, 32)).save(folder / f"{side}.png")
    about = {"test_set": "food", "image": "0.png", "sides": ["original", "reference", "tuned"]}
    (folder / "crop.json").write_text(json.dumps(about | content))


def pictures(page: Path) -> list[np.ndarray]:
    import base64
    import io
    import re

    found = re.findall(r"data:image/webp;base64,([\w+/=]+)", page.read_text())
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")) for data in found]


@pytest.mark.parametrize("side", ["../../../../../private", "{}/private", "link"])
def test_a_page_holds_no_picture_from_outside_the_runs_folder(
    side: str, received: Callable[..., Path], tmp_path: Path
) -> None:
    Image.new("RGB", (32, 32), SECRET).save(tmp_path / "private.png")
    run = received()
    if side == "link":
        crop(run)
        (run / "crops" / "food" / "0" / "original.png").unlink()
        (run / "crops" / "food" / "0" / "original.png").symlink_to(tmp_path / "private.png")
    else:
        crop(run, sides=[side.format(tmp_path), "tuned"])
    shown = pictures(write_page(run.parent, bootstrap=0))
    assert shown, "nothing to look at"
    assert not any((picture == SECRET).all() for picture in shown)


def test_a_crop_of_an_image_that_no_row_has_costs_nothing_but_itself(received: Callable[..., Path]) -> None:
    run = received()
    crop(run, image="another.png")
    assert "tuned food" in write_page(run.parent, bootstrap=0).read_text()


def test_a_folder_of_an_older_version_is_read_by_every_command(
    received: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = received(codec__weights="none")
    codes = {
        " ".join(c[:1] + c[-1:]): cli.main(c) for c in every_command(run, tmp_path) if c[0] in ("status", "report")
    }
    assert set(codes.values()) == {0}
    assert cli.main(["export", str(run), str(tmp_path / "out.pth.tar")]) == 0
    assert cli.main(["encode", str(tmp_path / "photo.png"), "-o", str(tmp_path / "x.lic"), "--weights", str(run)]) == 0
    capsys.readouterr()
    assert cli.main(["bd", str(run.parent), str(run.parent)]) == 2
    assert "1 of 4 points" in capsys.readouterr().err


def test_the_states_are_those_of_one_vocabulary(tmp_path: Path) -> None:
    write_plan(tmp_path, [Cell(name, ()) for name in ("missing", "done", "failed", "stopped")])
    for name, file in (("done", "results.parquet"), ("failed", "failed.txt"), ("stopped", "checkpoints/last.ckpt")):
        (tmp_path / name / file).parent.mkdir(parents=True)
        (tmp_path / name / file).write_text("Traceback\nOSError: full\n")
    runs = run_folders(tmp_path)
    assert [run.state for run in runs] == [run.name for run in runs]
    assert [run.error for run in runs] == ["", "", "OSError: full", ""]


def test_a_recognition_run_has_its_data_set_for_a_category(tmp_path: Path) -> None:
    for dataset, name in (({"_target_": "x.rsscn7"}, "rsscn7"), ({"_target_": "x", "name": "birds"}, "birds")):
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({"dataset": dataset}))
        assert RunFolder(tmp_path).category == name


def test_a_folder_that_does_not_say_what_it_is_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="does not say codec"):
        _ = RunFolder(tmp_path).codec
    (tmp_path / "config.yaml").write_text("- a list")
    with pytest.raises(RunFolderError, match="holds a list"):
        _ = RunFolder(tmp_path).codec
