"""`lic screen`: one λ, and the reference's other λ evaluated for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lic_lightning import cli

Lic = Callable[..., Path]
SHIPPED = ("codec.weights=shipped", "codec.N=null", "codec.M=null", "data.crop=64")


def test_an_encoder_that_learned_nothing_gains_nothing(lic_train: Lic, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = lic_train("-m", "experiment=screening", *SHIPPED, "optimizer.lr=0", "scheduler=none") / "screening"
    capsys.readouterr()
    assert cli.main(["screen", str(sweep), "--json"]) == 0
    (point,) = json.loads(capsys.readouterr().out)
    assert (point["test_set"], point["lmbda"]) == ("food", 0.013)
    assert point["gain"]["percent"] == pytest.approx(0, abs=1e-9)
    assert point["gain"]["interval"] == pytest.approx([0, 0], abs=1e-9)
    cached = sorted((sweep.parent / "reference").iterdir())
    assert len(cached) == 6

    assert cli.main(["screen", str(sweep)]) == 0
    assert "0.00 %" in capsys.readouterr().out
    assert sorted((sweep.parent / "reference").iterdir()) == cached


def test_a_reference_of_one_point_is_refused(
    lic_train: Lic, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = lic_train("-m", "experiment=screening") / "screening"
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    assert cli.main(["screen", str(sweep)]) == 2
    assert "its weights are none: run the sweep with reference=shipped" in capsys.readouterr().err
