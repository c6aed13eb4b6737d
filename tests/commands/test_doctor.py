"""`lic doctor`: finds what is there, and says where it looked for what is not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lic_lightning import cli
from lic_lightning.commands import doctor


def report(capsys: pytest.CaptureFixture[str], *overrides: str) -> dict[str, str]:
    """The doctor's lines by thing."""
    assert cli.main(["doctor", *overrides]) == 0
    lines = [line[2:] for line in capsys.readouterr().out.splitlines()]
    return {line[: doctor.WIDTH].strip(): line[doctor.WIDTH :].strip() for line in lines}


def test_one_line_per_thing(
    photographs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIC_DATA", str(photographs))
    found = report(capsys)
    assert found["data"] == f"{photographs}, from paths.data (LIC_DATA is set)"
    assert found["torch + torchvision"] == "match"
    assert found["category=food"] == "8 images"
    assert found["category=demo_nature"] == "40 images"
    assert found["category=portrait"] == f"A folder of images was not found at {photographs}/portrait"
    assert {"GPU", "CPU", "shipped weights", "zoo weights", "LPIPS trunk", "launcher joblib", "W&B"} <= set(found)


def test_overrides_reach_the_configuration(tmp_path: Path) -> None:
    findings = {finding.thing: finding for finding in doctor.data_sets([f"paths.data={tmp_path / 'no'}"])}
    assert findings["data"].found is False
    assert str(tmp_path / "no") in findings["data"].remark
    assert findings["test_sets=kodak"].found is False
    assert str(tmp_path / "no" / "kodak") in findings["test_sets=kodak"].remark


def test_weights_and_trunk_are_found_in_the_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    before = {finding.thing: finding.found for finding in doctor.weights()}
    (tmp_path / "checkpoints").mkdir()
    for name in ("alexnet-owt-7be5be79.pth", "mbt2018-mean-4-6dba02a3.pth.tar"):
        (tmp_path / "checkpoints" / name).touch()
    after = {finding.thing: finding for finding in doctor.weights()}
    assert [before["zoo weights"], before["LPIPS trunk"]] == [False, False]
    assert after["zoo weights"].remark == "mbt2018-mean mse q4"
    assert after["LPIPS trunk"].found


def test_a_torchvision_that_does_not_fit_ends_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.ops", None)  # its import now fails
    *_, last = doctor.examine([])
    assert (last.thing, last.found) == ("torch + torchvision", False)
    assert "install the torchvision made for torch" in last.remark


@pytest.fixture
def finding(tmp_path: Path) -> Callable[[str], doctor.Finding]:
    """What the doctor finds of one data set below tmp_path."""

    def examined(thing: str) -> doctor.Finding:
        return next(found for found in doctor.data_sets([f"paths.data={tmp_path}"]) if found.thing == thing)

    return examined


def test_a_list_that_names_absent_files_is_malformed(tmp_path: Path, finding: Callable[[str], doctor.Finding]) -> None:
    (tmp_path / "flickr/images").mkdir(parents=True)
    (tmp_path / "flickr/ids_landscape.txt").write_text("17\n")
    found = finding("category=flickr_landscape_ids")
    assert (found.found, found.malformed) == (False, True)
    assert "ids_landscape.txt names are not below" in found.remark
    assert found.remark.startswith("malformed: ")
    assert "17.jpg" in found.remark


def test_an_empty_file_is_malformed(
    photographs: Path, tmp_path: Path, finding: Callable[[str], doctor.Finding]
) -> None:
    shutil.copytree(photographs / "food", tmp_path / "food")
    (tmp_path / "food" / "7.png").write_bytes(b"")
    assert finding("category=food").remark == "malformed: 1 files are empty, the first is 7.png"


def test_a_first_file_that_is_no_image_is_malformed(tmp_path: Path, finding: Callable[[str], doctor.Finding]) -> None:
    (tmp_path / "food").mkdir()
    (tmp_path / "food" / "a.jpg").write_text("<html>404</html>")
    found = finding("category=food")
    assert found.malformed
    assert "a.jpg: not an image" in found.remark


def test_an_index_cut_short_is_malformed(tmp_path: Path, finding: Callable[[str], doctor.Finding]) -> None:
    for folder in ("train2017", "annotations/panoptic_train2017"):
        (tmp_path / "coco" / folder).mkdir(parents=True)
    (tmp_path / "coco/annotations/panoptic_train2017.json").write_text('{"images": [')
    assert finding("category=coco").malformed


def test_each_state_has_its_mark() -> None:
    found, missing = doctor.Finding("", True, ""), doctor.Finding("", False, "")
    malformed = doctor.Finding("", False, "", malformed=True)
    assert [f.mark[0] for f in (found, missing, malformed)] == ["✓", "–", "✗"]
