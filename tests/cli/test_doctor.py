"""`lic doctor`: finds what is there, and says where it looked for what is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lic_lightning import cli, doctor


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
