"""`lic codecs`: the published sizes (facts/architectures.md), and work counted once."""

from __future__ import annotations

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lic_lightning import cli
from lic_lightning.codecs.registry import build, names, spec
from lic_lightning.codecs.work import SIDE, kmac_per_pixel
from lic_lightning.commands.codecs import describe

TOTALS = {
    "bmshj2018-hyperprior": [5_075_843, 11_816_323],
    "mbt2018-mean": [7_028_003, 17_561_699],
    "mbt2018": [14_130_467, 25_504_596],
}


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name: str) -> None:
    assert [entry["parameters"]["total"] for entry in describe(spec(name))] == TOTALS[name]


def test_encoder_of_mbt2018() -> None:
    assert [entry["parameters"]["encoder"] for entry in describe(spec("mbt2018"))] == [5_066_688, 5_902_400]


def test_every_quality_stands_once() -> None:
    qualities = [quality for entry in describe(spec("mbt2018-mean")) for quality in entry["qualities"]]
    assert qualities == list(range(1, 9))


@pytest.mark.parametrize("name", names())
def test_the_roles_share_out_all_work(name: str) -> None:
    codec_spec = spec(name)
    codec = build(name, 1).train()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        codec(torch.zeros(1, 3, SIDE, SIDE))
    total = sum(kmac_per_pixel(codec, codec_spec.roles).values())
    assert total * 2 * 1000 * SIDE**2 == pytest.approx(counter.get_total_flops())


def test_work_of_an_analysis_transform_by_hand() -> None:
    """Four 5x5 convolutions with stride 2, and a 1x1 convolution in each of three GDN."""
    n, m = 128, 192
    layers = [25 * 3 * n + n * n, 25 * n * n + n * n, 25 * n * n + n * n, 25 * n * m]
    expected = sum(macs / 4**level for level, macs in enumerate(layers, start=1)) / 1000
    codec_spec = spec("bmshj2018-factorized")
    work = kmac_per_pixel(codec_spec.build(N=n, M=m).eval(), codec_spec.roles)
    assert work["encoder"] == pytest.approx(expected)
    assert work["decoder"] == pytest.approx(expected)


def test_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lic_lightning.commands.codecs.names", lambda: ["bmshj2018-factorized"])
    assert cli.main(["codecs", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in entries] == ["bmshj2018-factorized"] * 2
    for entry in entries:
        roles = entry["parameters"]
        assert roles["encoder"] + roles["decoder"] + roles["entropy"] == roles["total"]
        assert set(entry["kmac_per_pixel"]) == {"encoding", "decoding"}


def test_what_the_encoders_of_the_shipped_decoders_cost() -> None:
    [entry, _] = describe(spec("mbt2018-mean"))
    found = {(one["sizes"]["M"], one["name"]): one["kmac_per_pixel"] for one in entry["analyses"]}
    assert found.keys() == {(M, name) for M in (96, 152) for name in ("", "large", "phone")}
    assert found[152, "phone"] < found[152, ""] < found[152, "large"]


def test_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lic_lightning.commands.codecs.names", lambda: ["mbt2018-mean"])
    assert cli.main(["codecs"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "mbt2018-mean" in line]
    assert ["7.03" in lines[0], "17.56" in lines[1]] == [True, True]
